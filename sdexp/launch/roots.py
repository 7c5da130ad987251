"""Roots of the doors' configurations: which sections each has."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from omegaconf import MISSING

from sdexp.finetune.formats import ExportFormat
from sdexp.ground.checks import at_least
from sdexp.ground.config import (
    EvaluationConfig,
    HardwareConfig,
    Resume,
    SchedulerConfig,
    SweepConfig,
    TrainingConfig,
)
from sdexp.ground.folders import FoldersConfig
from sdexp.ground.picture_requests import GridConfig
from sdexp.ground.sampling import Sampler


@dataclass
class TrainRoot:
    """Root of `train.yaml`. Parts are checked by the classes that they name."""

    model: Any = MISSING
    finetune: Any = MISSING
    dataset: Any = MISSING
    optimizer: Any = MISSING
    scheduler: SchedulerConfig = MISSING
    hardware: HardwareConfig = MISSING
    objective: Any = MISSING
    metric: Any = MISSING
    backbone: Any = MISSING
    tracker: Any = MISSING
    training: TrainingConfig = MISSING
    evaluation: EvaluationConfig = MISSING
    sweep: SweepConfig = MISSING
    run_dir: str | None = MISSING
    resume: Resume = MISSING
    dry_run: Any = MISSING


@dataclass
class EvaluateRoot:
    """Root of `evaluate.yaml`."""

    run: str = MISSING
    pictures: FoldersConfig = MISSING
    run_dir: str | None = MISSING
    metric: Any = MISSING
    backbone: Any = MISSING
    evaluation: EvaluationConfig = MISSING


@dataclass
class GenerateRoot:
    """Root of `generate.yaml`; null takes the run's own evaluation setting."""

    run: str = MISSING
    prompt: str | None = MISSING
    prompts: str | None = MISSING
    seeds: list[int] = MISSING
    checkpoints: list[int] = MISSING
    strengths: list[float] = MISSING
    grid: GridConfig = MISSING
    sampler: Sampler | None = MISSING
    num_inference_steps: int | None = MISSING
    guidance_scale: float | None = MISSING
    negative_prompt: str | None = MISSING
    height: int | None = MISSING
    width: int | None = MISSING


@dataclass
class ExportRoot:
    """Root of `export.yaml`."""

    run: str = MISSING
    format: ExportFormat = MISSING
    checkpoint: int | None = MISSING

    def __post_init__(self) -> None:
        at_least("export", 1, checkpoint=self.checkpoint)


@dataclass
class ReportRoot:
    """Root of `report.yaml`: one run, or the runs of a folder."""

    run: str | None = MISSING
    runs: str | None = MISSING


@dataclass
class PrepareRoot:
    """Root of `prepare.yaml`; what is no key of it is one of `train.yaml`."""

    fetch: bool = MISSING
    captioner: str | None = MISSING
    num_beams: int = MISSING
    min_new_tokens: int = MISSING
    max_new_tokens: int = MISSING
    fill_store: bool = MISSING
    run_dir: str | None = MISSING


class StoreAction(StrEnum):
    """What to do with the store."""

    list = "list"
    verify = "verify"
    prune = "prune"


@dataclass
class StoreRoot:
    """Root of `store.yaml`."""

    action: StoreAction = MISSING
    older_than_days: float | None = MISSING
    max_gb: float | None = MISSING
    dry_run: bool = MISSING
