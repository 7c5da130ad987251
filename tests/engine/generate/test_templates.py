from collections import Counter

from sdexp.engine.generate.templates import categories, template_prompts


def test_there_are_seven_kinds_and_enough_for_large_grids() -> None:
    assert categories() == [
        "animal",
        "landscape",
        "object",
        "cityscape",
        "nature",
        "space",
        "abstract",
    ]
    prompts = template_prompts()
    assert len(prompts) == len(set(prompts)) == 444
    assert not any(brace in prompt for prompt in prompts for brace in "{}")


def test_prompts_are_short_and_differ_in_their_subjects() -> None:
    prompts = template_prompts()
    assert max(len(prompt) for prompt in prompts) < 77
    firsts = Counter(" ".join(prompt.split()[:3]) for prompt in prompts)
    assert max(firsts.values()) <= 12
