from pathlib import Path

import pytest
import torch

from sdexp.ground.sampling import Sampling
from sdexp.model.base import Framing
from sdexp.model.text_memory import TextMemory
from tests.checkpoints import draws, of

FRAMINGS = [Framing((64, 64), (0, 0), (64, 64)), Framing((90, 64), (8, 0), (64, 64))]


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_a_prompt_that_comes_again_is_not_encoded(folders: dict[str, Path], family: str) -> None:
    model = of(folders, family).load("cpu")
    prompts = ["a dog", "a very red cat"]
    plain = [model.encode_prompts([p], [f]) for p, f in zip(prompts, FRAMINGS, strict=True)]
    model.remember_prompts(10**9)
    for _ in range(2):
        kept = model.encode_prompts(prompts, FRAMINGS)
        assert torch.equal(kept.states, torch.cat([one.states for one in plain]))
        if kept.pooled is not None and kept.sizes is not None:
            assert kept.sizes.tolist()[1] == [90, 64, 8, 0, 64, 64], "of each sample"
    assert model.text.memory.encoded == 2  # type: ignore[attr-defined]


def test_a_training_reads_what_was_kept_for_pictures(folders: dict[str, Path]) -> None:
    model = of(folders, "sd1").load("cpu")
    model.remember_prompts(10**9)
    model.generate(["a dog"], draws((4, 8, 8), 1), Sampling("ddim", 1, 3.0, "", 64, 64))
    unet = model.modules()["unet"].requires_grad_(True)
    condition = model.encode_prompts(["a dog"], FRAMINGS[:1])
    model.predict(torch.zeros(1, 4, 8, 8), torch.tensor([5]), condition).sum().backward()
    assert all(p.grad is not None for n, p in unet.named_parameters() if "attn2.to_k" in n)
    assert model.text.memory.encoded == 2, "the prompt and the empty one"  # type: ignore[attr-defined]


def outputs(ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return (ids[:, 0].float() * 2, torch.ones(1, 3, requires_grad=True))


def test_the_first_stay_where_there_is_no_room() -> None:
    ids = torch.arange(12).reshape(3, 1, 4)
    memory = TextMemory(limit=2 * (4 + 3) * 4)
    for _ in range(2):
        doubled, ones = memory(ids, outputs)
        assert torch.equal(doubled, ids[:, 0].float() * 2) and ones.shape == (3, 3)
        assert not ones.requires_grad
    assert memory.encoded == 3 + 1 and memory.used == memory.limit


def test_precisions_are_kept_apart() -> None:
    memory = TextMemory(limit=1000)
    ids = torch.ones(1, 1, 4, dtype=torch.long)
    for _ in range(2):
        memory(ids, outputs)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            memory(ids, outputs)
    assert memory.encoded == 2
