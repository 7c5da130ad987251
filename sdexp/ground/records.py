"""What stands in run.json, sweep.json and their like: each typed once."""

from dataclasses import dataclass, field, replace
from typing import Any, Literal

Status = Literal["waiting", "running", "finished", "failed", "interrupted"]
Stage = Literal["train", "evaluate"]

# So many reasons fit into a line.
REASONS = 5


@dataclass(frozen=True)
class Outcome:
    """How stages ended: exit code, and the reason where it is not 0."""

    exit_code: int
    reason: str | None


@dataclass(frozen=True)
class GitRecord:
    """Commit of the checkout that ran, and whether it had changes; None outside a checkout."""

    commit: str | None
    dirty: bool | None


@dataclass(frozen=True)
class SplitRecord:
    """One split as it was opened.

    dropped, repaired: how often, by reason; lost: pictures among what was dropped; enlarged:
    pictures smaller than the resolution; overlong: captions that the text side reads only the
    beginning of.
    """

    pictures: int
    captions: int
    manifest: str
    lost: int
    dropped: dict[str, int]
    repaired: dict[str, int]
    enlarged: int
    overlong: int

    @property
    def warnings(self) -> list[str]:
        """What a person should know of it, one line each."""
        lines = []
        if self.dropped:
            rows = sum(self.dropped.values()) - self.lost
            told = [f"{self.lost} pictures"] if self.lost else []
            told += [f"{rows} rows or captions"] if rows else []
            lines.append(
                f"{' and '.join(told)} dropped, {self.pictures} pictures are left "
                f"({_most_frequent(self.dropped)})"
            )
        if self.overlong:
            lines.append(
                f"{self.overlong} of {self.captions} captions are longer than the text encoder "
                "reads; the rest of them is cut off"
            )
        if self.enlarged:
            lines.append(
                f"{self.enlarged} of {self.pictures} pictures are smaller than the resolution and "
                "are enlarged"
            )
        return lines


def _most_frequent(reasons: dict[str, int]) -> str:
    told = [f"{count}: {reason}" for reason, count in list(reasons.items())[:REASONS]]
    others = len(reasons) - len(told)
    return "; ".join(told + ([f"{others} other reasons"] if others else []))


@dataclass(frozen=True)
class TrainingRecord:
    """What a training did; seconds and speed are those of its latest start."""

    steps: int
    epochs: float
    first_step: int
    seconds: float
    images_per_second: float | None
    trainable_parameters: int
    total_parameters: int
    best_step: int | None
    peak_memory_gb: float


@dataclass(frozen=True)
class SavedFile:
    """A file of `weights/`: its sha256, and the shape of each tensor in it."""

    sha256: str
    shapes: dict[str, list[int]]


@dataclass(frozen=True)
class EvaluatedRecord:
    """What an evaluation took."""

    seconds: float
    pictures: int
    peak_memory_gb: float


@dataclass(frozen=True)
class RunRecord:
    """run.json: what a run is made from and what became of it.

    grown_from: steps that the run was meant to have before it was extended; stage: where an
    unfinished run goes on; base_weights: fingerprints of the original.
    """

    command: str = ""
    status: Status = "waiting"
    stage: Stage = "train"
    exit_code: int | None = None
    reason: str | None = None
    started: str | None = None
    ended: str | None = None
    command_seconds: float | None = None
    choices: dict[str, str] = field(default_factory=dict)
    grown_from: list[int | None] = field(default_factory=list)
    plugins: list[str] = field(default_factory=list)
    of_folders: bool = False
    warnings: list[str] = field(default_factory=list)
    git: GitRecord = GitRecord(None, None)
    versions: dict[str, str] = field(default_factory=dict)
    device: str | None = None
    base_weights: dict[str, str] = field(default_factory=dict)
    data: dict[str, SplitRecord] = field(default_factory=dict)
    training: TrainingRecord | None = None
    weights: dict[str, SavedFile] = field(default_factory=dict)
    evaluation: EvaluatedRecord | None = None

    @property
    def is_trained(self) -> bool:
        """False while a training, also a continued one, has not come to its end."""
        return self.stage != "train" or self.status == "finished"


@dataclass(frozen=True)
class EvaluationRecord:
    """evaluation.json: an evaluation beside the run's own.

    differs: what sets it apart, as "key: old -> new"; chosen_later: what its verdict rests on and
    the run did not declare; steps: how long the run had trained; checkpoint: the step whose weights
    it looked at, None for the final ones.
    """

    command: str
    started: str
    differs: list[str]
    chosen_later: list[str]
    steps: int | None
    checkpoint: int | None = None
    status: Status = "running"
    exit_code: int | None = None
    reason: str | None = None
    ended: str | None = None
    evaluation: EvaluatedRecord | None = None


@dataclass(frozen=True)
class Shipped:
    """shipped.json: what a tracker holds of its run.

    steps: the last of each split; time: of the newest row among them; pictures: the last step
    whose validation pictures it holds; tables: sha256 of each evaluation's scores by its name, ""
    for the run's own; unfinished: a part that must go before the rest is shipped again.
    """

    steps: dict[str, int] = field(default_factory=dict)
    time: float = 0.0
    pictures: int = -1
    tables: dict[str, str] = field(default_factory=dict)
    unfinished: str = ""

    def last_step(self, split: str) -> int:
        return self.steps[split] if split in self.steps else -1

    def before(self, step: int) -> "Shipped":
        """The same without what stands at `step` or later."""
        steps = {split: min(last, step - 1) for split, last in self.steps.items()}
        return replace(self, steps=steps, pictures=min(self.pictures, step - 1))


@dataclass(frozen=True)
class ToldRecord:
    """What a folder without a run of its own tells its trackers: their nodes, and one table."""

    trackers: dict[str, Any]
    config: dict[str, Any]
    table: str
    columns: list[str]
    rows: list[list[Any]]


@dataclass(frozen=True)
class PlanRecord:
    """What a run would need; `seconds` of training and pictures only where it was measured."""

    steps: int
    run_bytes: int
    store_bytes: int
    seconds: float | None


@dataclass(frozen=True)
class SweepJob:
    """One job of a sweep: what it sets, and what became of it."""

    number: int
    overrides: list[str]
    status: Status = "waiting"
    exit_code: int | None = None
    reason: str | None = None
    seconds: float | None = None


@dataclass(frozen=True)
class SweepRecord:
    """sweep.json."""

    command: str
    status: Status
    started: str
    jobs: list[SweepJob]
    ended: str | None = None
