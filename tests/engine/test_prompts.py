from typing import Any

import torch

from sdexp.engine.prompts import choose_prompts, draws_of


def test_prompts_are_chosen_by_hash_and_noise_by_prompt(recipes: Any) -> None:
    data = recipes().dataset.open("test")
    chosen = choose_prompts(data, 5)
    assert [p.prompt_id for p in chosen] == sorted(p.prompt_id for p in choose_prompts(data, 99))[
        :5
    ]
    assert len(choose_prompts(data, 99)) == len(data) == 12
    draws = draws_of([("a", 0), ("a", 1), ("b", 0)], (8, 4, 4), seed=0)
    assert len({tuple(n.flatten().tolist()) for n in draws.latents}) == 3
    assert len({generator.initial_seed() for generator in draws.generators}) == 3
    alone = draws_of([("b", 0)], (8, 4, 4), seed=0)
    assert torch.equal(draws.latents[2:], alone.latents)
    assert draws.generators[2].initial_seed() == alone.generators[0].initial_seed()
