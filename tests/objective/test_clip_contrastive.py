"""The contrastive loss against the library's own, and by hand."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sdexp.backbone.base import LoadedBackbone
from sdexp.backbone.clip import Clip
from sdexp.ground.errors import ConfigError, DataError
from sdexp.launch.compose import compose
from sdexp.objective.clip_contrastive import ClipContrastive
from sdexp.recipes import build_recipes
from tests.objective.batches import Batch

LOSS = ClipContrastive(0.0, "clip")
CAPTIONS = ["a red circle", "a blue square at night", "two hearts", "a star left of a ring"]


class Pictured(Batch):
    """Captions and features of pictures."""

    def __init__(
        self, captions: list[str], ids: list[str], features: Tensor, tower: LoadedBackbone
    ) -> None:
        super().__init__(torch.empty(0), torch.empty(0), torch.empty(0))
        self.captions = captions
        self.picture_ids = ids
        self.tower = tower
        self._features = features

    def image_features(self) -> Tensor:
        return self._features


class Plain(LoadedBackbone):
    """A tower that leaves states as they are."""

    scale = 10.0

    def project(self, states: Tensor) -> Tensor:
        return states


def plain(ids: list[str], captions: list[str], states: Tensor, features: Tensor) -> Tensor:
    model: Any = SimpleNamespace(pooled_prompts=lambda prompts: states)
    return LOSS(model, Pictured(captions, ids, features, Plain()))


def test_it_is_the_loss_of_clip() -> None:
    tower: Any = Clip("pocket-clip").start("cpu")
    pictures = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    tokens = tower.tokenizer(
        CAPTIONS, padding="max_length", max_length=32, truncation=True, return_tensors="pt"
    )
    pixels = tower.processor(list(pictures), return_tensors="pt").pixel_values
    expected = tower.model(**tokens, pixel_values=pixels, return_loss=True).loss
    model: Any = SimpleNamespace(
        pooled_prompts=lambda prompts: tower.model.text_model(**tokens).pooler_output
    )
    features = torch.from_numpy(tower.images(pictures)).float()
    losses = LOSS(model, Pictured(CAPTIONS, list("abcd"), features, tower))
    assert losses.shape == (4,)
    torch.testing.assert_close(losses.mean(), expected, rtol=1e-5, atol=1e-5)


def test_what_belongs_together_is_no_negative() -> None:
    """Without them the loss is that of the others alone."""
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(3, 8, generator=generator)
    features = torch.randn(3, 8, generator=generator)
    normal = torch.nn.functional.normalize
    similar = 10 * normal(states) @ normal(features).T
    for ids, captions in ((["a", "a", "b"], ["x", "y", "z"]), (["a", "b", "c"], ["x", "x", "z"])):
        losses = plain(ids, captions, states, features)
        for k in (0, 1):
            rows = similar[k, [k, 2]].logsumexp(0)
            columns = similar[[k, 2], k].logsumexp(0)
            torch.testing.assert_close(losses[k], (rows + columns) / 2 - similar[k, k])
        both = (similar[2].logsumexp(0) + similar[:, 2].logsumexp(0)) / 2
        torch.testing.assert_close(losses[2], both - similar[2, 2])


def test_a_lone_sample_has_nothing_to_be_told_from() -> None:
    states = torch.randn(1, 8, requires_grad=True)
    loss = plain(["a"], ["x"], states, torch.randn(1, 8))
    loss.sum().backward()
    assert float(loss.detach()) == 0 and states.grad is not None and not states.grad.any()


FAULTS = {
    "finetune=unet": "the loss of this objective reaches text_encoder only; choose "
    "finetune=text_encoder",
    "training.train_batch_size=1": "this objective compares the samples of a batch; set 2 or more",
    "objective.backbone=dinov2": "objective.backbone=dinov2: gives no projection; choose a CLIP",
    "objective.backbone=clp": "backbone=clp: not among the backbones; did you mean 'clip'?",
    "objective.caption_dropout_rate=0.1": "objective.caption_dropout_rate=0.1: must be 0",
}


@pytest.mark.parametrize("override", FAULTS)
def test_what_it_cannot_train_is_told_first(override: str) -> None:
    words = ["finetune=text_encoder", "objective=clip_contrastive", override]
    with pytest.raises(ConfigError) as caught:
        build_recipes(compose("train", words).config)
    assert FAULTS[override] in str(caught.value) and "\n" not in str(caught.value)


def test_a_person_is_told_what_it_means(recipes: Any) -> None:
    warnings = recipes("finetune=text_encoder", "objective=clip_contrastive").warnings()
    assert [line for line in warnings if "compares the samples of a micro-batch" in line]
    assert [line for line in warnings if line.startswith("clip_score: judged by pocket-clip")]
    assert recipes("finetune=text_encoder").warnings() == []


def test_a_missing_tower_is_told_before_the_training(recipes: Any, empty_folder: Path) -> None:
    made = recipes(
        "finetune=text_encoder", "objective=clip_contrastive", "evaluation=none",
        "objective.backbone=clip_vit_l14",
    )  # fmt: skip
    with pytest.raises(DataError, match="clip-vit-large-patch14: not in .* fetch it"):
        made.check_files()
