"""What a metric is: features by a frozen backbone, and a pure statistic over them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    import numpy as np

    from sdexp.stats.distribution import AbstractDistance


class AbstractExtractor(ABC):
    """A backbone in memory."""

    @abstractmethod
    def features(
        self, images: np.ndarray, prompts: list[str], references: np.ndarray | None
    ) -> np.ndarray:
        """float64 [N, d] of images, uint8 [N, H, W, 3].

        prompts: N captions; references: uint8 [N, H, W, 3], the real picture of each prompt, or
        None where the metric does not need it.
        """


@dataclass(frozen=True)
class AbstractMetric(ABC):
    """Recipe of a metric.

    `backbone` is the name of an embedded scorer, a local folder or a Hub id; every number of the
    metric carries it. A per-picture metric has d = 1 and its statistic is the mean; a metric
    of distributions compares the features of generated with those of real pictures.
    """

    higher_is_better: ClassVar[bool]
    per_picture: ClassVar[bool]
    needs_reference: ClassVar[bool]
    has_interval: ClassVar[bool] = True

    backbone: str

    @abstractmethod
    def start(self, device: str) -> AbstractExtractor:
        """Load the backbone."""

    @abstractmethod
    def statistic(self, features: np.ndarray, reference_features: np.ndarray) -> float:
        """The metric of N pictures from features [N, d] and real features [M, d].

        A per-picture metric ignores the second argument.
        """

    def against(self, reference_features: np.ndarray) -> AbstractDistance:
        """`statistic` with fixed real features [M, d]; a metric may compute ahead from them."""
        from sdexp.stats.distribution import PlainDistance

        return PlainDistance(self.statistic, reference_features)
