from typing import Any

import torch

from sdexp.engine.prompts import choose_prompts, noise_of


def test_prompts_are_chosen_by_hash_and_noise_by_prompt(recipes: Any) -> None:
    data = recipes().dataset.open("test")
    chosen = choose_prompts(data, 5)
    assert [p.prompt_id for p in chosen] == sorted(p.prompt_id for p in choose_prompts(data, 99))[
        :5
    ]
    assert len(choose_prompts(data, 99)) == len(data) == 12
    noise = noise_of([("a", 0), ("a", 1), ("b", 0)], (8, 4, 4), seed=0)
    assert len({tuple(n.flatten().tolist()) for n in noise}) == 3
    assert torch.equal(noise[2:], noise_of([("b", 0)], (8, 4, 4), seed=0))
