"""What a metric is: a statistic of features, with all that is to be known of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from sdexp.backbone.base import AbstractFeatures, Gift, PictureSet, Standard
from sdexp.ground.checks import at_least

Partner = Literal["caption", "reference", "distribution", "replicates"]

if TYPE_CHECKING:
    import numpy as np

    from sdexp.stats.distances import AbstractDistance


@dataclass(frozen=True)
class AbstractMetric(ABC):
    """Recipe of a metric.

    backbone: which of the group `backbone` it rests on; every number of the metric carries its
    name and hash. smallest_effect: a smaller difference than this would not matter, in the unit of
    the metric, by backbone.

    standard: the published measure whose name the metric bears, and whose network it then needs.
    unit: by what the value is multiplied, as it stands beside every number.

    partner: what a picture is held against. "caption" and "reference" make a number for each
    picture, d = 1, whose mean is the statistic; "distribution" compares the features of all
    pictures with those of all real ones; "replicates" makes a number for each picture by the others
    of its prompt. enough_references: with fewer real pictures the number compares only with others
    at the same N.
    """

    higher_is_better: ClassVar[bool]
    partner: ClassVar[Partner]
    needs: ClassVar[frozenset[Gift]]
    enough_references: ClassVar[int] = 0
    standard: ClassVar[Standard | None] = None
    unit: ClassVar[str] = ""

    backbone: str
    smallest_effect: dict[str, float]

    def __post_init__(self) -> None:
        named = {f"smallest_effect.{key}": value for key, value in self.smallest_effect.items()}
        at_least("metric", 0, **named)

    def least(self) -> int:
        """Fewer pictures than this give no number, on either side."""
        return 1

    @property
    def makes_numbers(self) -> bool:
        """Whether it holds each picture against its caption or its real picture."""
        return self.partner in ("caption", "reference")

    @property
    def tells_drift(self) -> bool:
        """Whether it can tell how far a picture lies from any other."""
        return self.partner == "reference" and not self.higher_is_better

    @property
    def is_effect_known(self) -> bool:
        """Whether it is said which difference would matter over this backbone."""
        return self.backbone in self.smallest_effect

    @property
    def matters(self) -> float:
        """The least difference worth knowing."""
        return self.smallest_effect[self.backbone]

    @abstractmethod
    def features(
        self,
        source: AbstractFeatures,
        pictures: PictureSet,
        captions: list[str],
        references: PictureSet | None,
    ) -> np.ndarray:
        """float64 [N, d] of N pictures.

        captions: one for each picture; references: the real picture of each, or None where the
        metric holds pictures against something else.
        """

    def statistic(self, features: np.ndarray, reference_features: np.ndarray) -> float:
        """The metric of N pictures from features [N, d] and real features [M, d].

        Of a metric of single pictures the mean of their numbers [N, 1].
        """
        return float(features.mean())

    def against(self, reference_features: np.ndarray) -> AbstractDistance:
        """`statistic` with fixed real features [M, d]; a metric may compute ahead from them."""
        from sdexp.stats.distances import PlainDistance

        return PlainDistance(self.statistic, reference_features)


def partners(pictures: PictureSet, references: PictureSet | None) -> PictureSet:
    """The pictures that others are held against; raises `ValueError` unless each has its own."""
    if references is None or references.count != pictures.count:
        count = None if references is None else references.count
        raise ValueError(f"{count} references for {pictures.count} pictures")
    return references


@dataclass(frozen=True)
class AbstractDistributionMetric(AbstractMetric):
    """A distance between the features of all pictures and those of all real ones."""

    partner: ClassVar[Partner] = "distribution"
    needs: ClassVar[frozenset[Gift]] = frozenset({"images"})

    def least(self) -> int:
        return 2

    def features(
        self,
        source: AbstractFeatures,
        pictures: PictureSet,
        captions: list[str],
        references: PictureSet | None,
    ) -> np.ndarray:
        return source.images(pictures)

    def statistic(self, features: np.ndarray, reference_features: np.ndarray) -> float:
        """The distance of features [N, d] and real features [M, d]; N and M at least 2."""
        return self.against(reference_features)(features)

    @abstractmethod
    def against(self, reference_features: np.ndarray) -> AbstractDistance:
        """The distance to real features [M, d]."""
