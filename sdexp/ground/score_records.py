"""What stands in scores.json, typed once."""

from dataclasses import dataclass, field
from typing import Literal

from sdexp.ground.applied import Applied
from sdexp.ground.sampling import Sampling

Verdict = Literal["better", "worse", "too small to matter", "underpowered", "no evidence"]


@dataclass(frozen=True)
class ShareRecord:
    """A share in [0, 1] and its 95% interval."""

    value: float
    ci95: tuple[float, float]


@dataclass(frozen=True)
class MetricRecord:
    """One metric of both models and what can be said of finetuned minus original.

    least_p: the smallest p that so many prompts allow; needed_prompts: how many find a difference
    of smallest_effect, None where none are enough; effect_size: the difference in standard
    deviations of the prompts' differences, wins: the share of prompts that gained, both None for a
    metric that has no number for a prompt.
    """

    original: float
    finetuned: float
    difference: float
    ci95: tuple[float, float] | None
    p: float
    least_p: float
    minimum_detectable_effect: float | None
    needed_prompts: int | None
    effect_size: float | None
    wins: ShareRecord | None
    smallest_effect: float
    higher_is_better: bool
    unit: str
    backbone: str
    backbone_sha256: str
    verdict: Verdict
    n: int
    n_reference: int


@dataclass(frozen=True)
class FloorRecord:
    """A metric of `n` real pictures against `n_reference` others."""

    value: float
    n: int
    n_reference: int


@dataclass(frozen=True)
class PairRecord:
    """A number of each model."""

    original: float
    finetuned: float


@dataclass(frozen=True)
class ControlsRecord:
    """Controls by name of the metric."""

    real_vs_real: dict[str, FloorRecord] = field(default_factory=dict)
    shuffled_captions: dict[str, PairRecord] = field(default_factory=dict)
    shuffled_references: dict[str, PairRecord] = field(default_factory=dict)


@dataclass(frozen=True)
class DriftRecord:
    """How far the finetuned pictures lie from the original's."""

    value: float
    ci95: tuple[float, float] | None
    backbone: str


@dataclass(frozen=True)
class ScoresRecord:
    """scores.json: one evaluation; `applied` is the proof of loading, None for a control.

    n_split: how many pictures the split holds, of which n_prompts were asked for, 0 of prompts that
    a person wrote; fitted: what was done to given pictures, which have no sampling.
    """

    primary: str
    n_prompts: int
    n_split: int
    replicates: int
    control: str | None
    sampling: Sampling | None
    fitted: str | None
    metrics: dict[str, MetricRecord]
    applied: Applied | None
    controls: ControlsRecord = ControlsRecord()
    drift: dict[str, DriftRecord] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def primary_metric(self) -> MetricRecord:
        return self.metrics[self.primary]

    def __post_init__(self) -> None:
        if self.primary not in self.metrics:
            raise ValueError(f"primary={self.primary} is not among the metrics")
