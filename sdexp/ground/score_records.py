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
class NoiseRecord:
    """A metric of the original's pictures from one draw of noise, and from another."""

    first: float
    second: float


@dataclass(frozen=True)
class ControlsRecord:
    """Controls by name of the metric."""

    real_vs_real: dict[str, FloorRecord] = field(default_factory=dict)
    other_noise: dict[str, NoiseRecord] = field(default_factory=dict)
    shuffled_captions: dict[str, PairRecord] = field(default_factory=dict)
    shuffled_references: dict[str, PairRecord] = field(default_factory=dict)


@dataclass(frozen=True)
class DriftRecord:
    """How far the finetuned pictures lie from the original's.

    noise: how far the original's lie from its own of other noise, None with a single replicate.
    """

    value: float
    ci95: tuple[float, float] | None
    backbone: str
    noise: float | None = None


@dataclass(frozen=True)
class GapRecord:
    """How much better a metric is for training captions than for held-out ones, by model.

    difference: the finetuned model's gap less the original's, which is what training made of it;
    n_train, n_held_out: captions.
    """

    original: float
    finetuned: float
    difference: float
    ci95: tuple[float, float] | None
    p: float | None
    smallest_effect: float
    backbone: str
    n_train: int
    n_held_out: int


@dataclass(frozen=True)
class SuspectRecord:
    """A finetuned picture and the training picture nearest to it, or of a training caption its own.

    path, training_path: files below the folder of the evaluation; training_picture: its id in the
    data; cosine: of their features, in [-1, 1]; too_near: more than the control allows.
    """

    path: str
    caption: str
    training_path: str
    training_picture: str
    cosine: float
    too_near: bool


@dataclass(frozen=True)
class CopyingRecord:
    """Whether finetuned pictures are copies of training pictures.

    share: of held-out prompts with a picture nearer to a training picture than 99 % of the held-out
    real ones are. train_share: of training captions whose picture is nearer to a training picture
    than 99 % of the pictures of held-out prompts are to their own real one. p: of pictures lying
    nearer to the training pictures than to held-out ones, with nothing copied; train_p: of training
    captions giving pictures nearer to their own than held-out ones do, beyond what the original's
    are. chance, train_chance: the shares that real pictures would have. nearest: pairs to be looked
    at, those that are too near first.
    """

    share: ShareRecord
    train_share: ShareRecord
    chance: float
    train_chance: float
    p: float
    train_p: float
    n_train_pictures: int
    n_held_out_pictures: int
    backbone: str
    backbone_sha256: str
    nearest: list[SuspectRecord]


@dataclass(frozen=True)
class GuardsRecord:
    """What was asked beside the evaluation's own prompts, by name of the metric.

    general: both models by prompts that are not about the data; copying: None where there are too
    few pictures to tell.
    """

    general: dict[str, MetricRecord] = field(default_factory=dict)
    general_drift: dict[str, DriftRecord] = field(default_factory=dict)
    overfit: dict[str, GapRecord] = field(default_factory=dict)
    copying: CopyingRecord | None = None


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
    guards: GuardsRecord = GuardsRecord()
    warnings: list[str] = field(default_factory=list)

    @property
    def primary_metric(self) -> MetricRecord:
        return self.metrics[self.primary]

    def __post_init__(self) -> None:
        if self.primary not in self.metrics:
            raise ValueError(f"primary={self.primary} is not among the metrics")
