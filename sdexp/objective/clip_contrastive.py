"""The contrastive loss of CLIP, for the text encoder alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sdexp.backbone.base import Gift
from sdexp.model.base import LoadedModel
from sdexp.objective.base import AbstractObjective, TrainingBatch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ClipContrastive(AbstractObjective):
    """Symmetric cross-entropy between captions and pictures.

    Radford et al. 2021 (arXiv 2103.00020, figure 3). `backbone` is the key of a frozen CLIP, whose
    picture tower, projection and temperature stay as they are. The negatives of a sample are the
    others of its micro-batch, without those of the same picture or with the same caption.
    """

    reaches: ClassVar[tuple[str, ...] | None] = ("text_encoder",)
    tower_gives: ClassVar[frozenset[Gift]] = frozenset({"images", "projection"})
    compares_samples: ClassVar[bool] = True

    backbone: str

    def __post_init__(self) -> None:
        if self.caption_dropout_rate != 0:
            raise ValueError(
                f"objective.caption_dropout_rate={self.caption_dropout_rate}: must be 0, because "
                "an empty caption belongs to no picture"
            )

    @property
    def tower(self) -> str:
        return self.backbone

    def __call__(self, model: LoadedModel, batch: TrainingBatch) -> Tensor:
        import torch
        from torch.nn.functional import normalize

        assert batch.tower is not None
        pooled = model.pooled_prompts(batch.captions).float()
        # Multiplied by a hundred, half precision would tell no two pictures apart.
        with torch.autocast(pooled.device.type, enabled=False):
            texts = batch.tower.project(pooled)
            similar = normalize(texts) @ normalize(batch.image_features()).T * batch.tower.scale
        compared = similar.masked_fill(self._no_negatives(batch).to(similar.device), -torch.inf)
        own = similar.diagonal()
        return (compared.logsumexp(0) + compared.logsumexp(1)) / 2 - own

    def _no_negatives(self, batch: TrainingBatch) -> Tensor:
        """bool [B, B]: pairs of caption and picture that may belong together, without the own."""
        import torch

        known = list(zip(batch.captions, batch.picture_ids, strict=True))
        rows = [[text == t or name == n for t, n in known] for text, name in known]
        alike = torch.tensor(rows)
        return alike & ~torch.eye(len(known), dtype=torch.bool)
