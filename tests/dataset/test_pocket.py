import pickle
import subprocess
import sys

import pytest

from sdexp.dataset.pocket import FIRST_SEEDS, MAX_PICTURES, Pocket
from sdexp.dataset.scenes import LOOKS, make_scene

SPLITS = ("train", "val", "test")


def test_sizes_and_samples() -> None:
    recipe = Pocket()
    recipe.check()
    opened = {split: recipe.open(split) for split in SPLITS}
    assert [len(dataset) for dataset in opened.values()] == [2000, 200, 500]
    sample = opened["val"][3]
    assert sample.sample_id == opened["val"].sample_id(3) == "crayon-100003"
    assert sample.image.mode == "RGB" and sample.image.size == (64, 64)
    assert sample.captions == opened["val"].captions(3)
    assert opened["train"].findings.dropped == opened["train"].findings.repaired == []


def test_no_split_can_reach_another_or_the_seeds_of_the_weights() -> None:
    largest = Pocket(num_train=MAX_PICTURES, num_val=MAX_PICTURES, num_test=MAX_PICTURES)
    spans = []
    for split in SPLITS:
        dataset = largest.open(split)
        spans += [dataset.sample_id(0), dataset.sample_id(len(dataset) - 1)]
    assert spans == sorted(set(spans))
    assert max(FIRST_SEEDS.values()) + MAX_PICTURES <= 1_000_000


def test_captions_differ_and_the_first_names_every_fact() -> None:
    dataset = Pocket().open("test")
    for index in range(100):
        captions = dataset.captions(index)
        scene = make_scene(FIRST_SEEDS["test"] + index)
        assert len(set(captions)) == 5
        facts = [scene.background, *(thing.name for thing in scene.things)]
        assert all(fact in captions[0] for fact in [*facts, *filter(None, [scene.relation])])
        assert not any(look in caption.split() for caption in captions for look in LOOKS)


def test_looks_differ_and_captions_do_not() -> None:
    opened = [Pocket(look=look).open("train") for look in LOOKS]
    assert len({dataset[5].image.tobytes() for dataset in opened}) == len(LOOKS)
    assert len({dataset.captions(5) for dataset in opened}) == 1
    assert len({Pocket(look, 5).open("train").manifest() for look in LOOKS}) == len(LOOKS)


def test_a_copy_in_another_process_draws_the_same() -> None:
    dataset = Pocket(num_train=3).open("train")
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.manifest() == dataset.manifest()
    assert copy[2].image.tobytes() == dataset[2].image.tobytes()


@pytest.mark.parametrize("bad", [0, -1, MAX_PICTURES + 1])
@pytest.mark.parametrize("name", ["num_train", "num_val", "num_test"])
def test_values_out_of_range_are_refused(name: str, bad: int) -> None:
    with pytest.raises(ValueError, match=rf"dataset\.{name}={bad}: allowed is 1 to 100000"):
        Pocket(**{name: bad})
    with pytest.raises(ValueError, match="dataset.look=sepia: allowed are plain, "):
        Pocket(look="sepia")


def test_recipes_load_nothing_heavy() -> None:
    code = (
        "import sys, sdexp.dataset.pocket, sdexp.dataset.imagefolder, sdexp.dataset.caption_table\n"
        "print([m for m in ('torch', 'numpy', 'PIL', 'datasets') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
