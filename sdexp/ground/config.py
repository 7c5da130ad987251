"""Schemas of the configuration's own sections, with the range checks of their values.

They are not frozen: OmegaConf makes a frozen schema read-only, and Hydra could not compose it.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from omegaconf import MISSING

from sdexp.ground.checks import at_least, at_most, require, share
from sdexp.ground.sampling import Sampler, Sampling

# A year in seconds: what is longer means "for ever" and no clock can hold it.
LONGEST_TIMEOUT = 3.2e7
# The training steps of all published checkpoints; a sampler takes no more of them.
MOST_SAMPLING_STEPS = 1000

TRAIN_LOSS = "train/loss"
VALIDATION_LOSS = "validation/loss"
# Before the name of a metric that is asked during training.
VALIDATION = "validation/"


class Device(StrEnum):
    """Where tensors live; auto is CUDA, then MPS, then CPU."""

    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class Precision(StrEnum):
    """Accelerate's mixed precision."""

    no = "no"
    fp16 = "fp16"
    bf16 = "bf16"


class Schedule(StrEnum):
    """Learning-rate schedules by their diffusers names."""

    constant = "constant"
    constant_with_warmup = "constant_with_warmup"
    linear = "linear"
    cosine = "cosine"


class Resume(StrEnum):
    """What to do with an unfinished run in `run_dir`."""

    auto = "auto"
    never = "never"


class Control(StrEnum):
    """self compares the original with itself."""

    none = "none"
    self = "self"


@dataclass
class HardwareConfig:
    """Where and how the numbers are computed."""

    device: Device = MISSING
    num_processes: int = MISSING
    timeout: float = MISSING
    mixed_precision: Precision = MISSING
    frozen_dtype: Precision = MISSING
    gradient_checkpointing: bool = MISSING
    channels_last: bool | None = MISSING
    packed_convolutions: bool | None = MISSING
    compile: bool = MISSING
    optimizer_in_backward: bool = MISSING
    dataloader_num_workers: int = MISSING

    def __post_init__(self) -> None:
        at_least("hardware", 1, num_processes=self.num_processes, timeout=self.timeout)
        at_most("hardware", LONGEST_TIMEOUT, timeout=self.timeout)
        at_least("hardware", 0, dataloader_num_workers=self.dataloader_num_workers)
        half_on_cpu = self.mixed_precision == Precision.fp16 and self.device == Device.cpu
        require("hardware", not half_on_cpu, "mixed_precision", "fp16", "no or bf16 on a CPU")
        frozen = self.frozen_dtype
        fits = frozen in (Precision.no, self.mixed_precision)
        require("hardware", fits, "frozen_dtype", frozen, f"no or {self.mixed_precision}")


@dataclass
class SchedulerConfig:
    """Learning-rate schedule by its diffusers name; warm-up in steps or as a fraction of them."""

    name: Schedule = MISSING
    warmup_steps: int = MISSING
    warmup_fraction: float = MISSING

    def __post_init__(self) -> None:
        at_least("scheduler", 0, warmup_steps=self.warmup_steps)
        share("scheduler", warmup_fraction=self.warmup_fraction)
        both = self.warmup_steps > 0 and self.warmup_fraction > 0
        require(
            "scheduler",
            not both,
            "warmup_fraction",
            self.warmup_fraction,
            f"0 beside warmup_steps={self.warmup_steps}; set only one of them",
        )

    def warmup(self, total: int) -> int:
        """Warm-up steps of a run of `total` steps."""
        return self.warmup_steps or round(self.warmup_fraction * total)


@dataclass
class EarlyStopping:
    """Stop when `monitor` has not fallen by more than `min_delta` in `patience` checks."""

    monitor: str = MISSING
    patience: int | None = MISSING
    min_delta: float = MISSING

    def __post_init__(self) -> None:
        section = "training.early_stopping"
        known = self.monitor == TRAIN_LOSS or self.monitor.startswith(VALIDATION)
        allowed = f"{TRAIN_LOSS}, {VALIDATION_LOSS} or {VALIDATION}METRIC, such as validation/kid"
        require(section, known, "monitor", self.monitor, allowed)
        at_least("training.early_stopping", 1, patience=self.patience)
        at_least("training.early_stopping", 0, min_delta=self.min_delta)


@dataclass
class BucketConfig:
    """Pictures of other shapes than squares, in sizes of about the same area."""

    enable_bucket: bool = MISSING
    min_bucket_reso: int = MISSING
    max_bucket_reso: int = MISSING
    bucket_reso_steps: int = MISSING

    def __post_init__(self) -> None:
        section = "training.bucket"
        steps = self.bucket_reso_steps
        require(
            section, steps >= 8 and steps % 8 == 0, "bucket_reso_steps", steps, "a multiple of 8"
        )
        at_least(section, steps, min_bucket_reso=self.min_bucket_reso)
        at_least(section, self.min_bucket_reso, max_bucket_reso=self.max_bucket_reso)


@dataclass
class TrainingConfig:
    """The training loop."""

    seed: int = MISSING
    resolution: int | None = MISSING
    center_crop: bool = MISSING
    random_flip: bool = MISSING
    bucket: BucketConfig = MISSING
    train_batch_size: int = MISSING
    gradient_accumulation_steps: int = MISSING
    max_train_steps: int | None = MISSING
    num_train_epochs: int | None = MISSING
    max_grad_norm: float | None = MISSING
    use_ema: bool = MISSING
    ema_decay: float = MISSING
    ema_warmup: bool = MISSING
    ema_update_interval: int = MISSING
    cache_latents: bool = MISSING
    validation_steps: int | None = MISSING
    num_validation_samples: int = MISSING
    validation_images_steps: int | None = MISSING
    num_validation_images: int = MISSING
    validation_prompts: list[str] = MISSING
    validation_metrics_steps: int | None = MISSING
    num_validation_prompts: int = MISSING
    checkpointing_steps: int | None = MISSING
    checkpoints_total_limit: int = MISSING
    early_stopping: EarlyStopping = MISSING

    def __post_init__(self) -> None:
        section = "training"
        at_least(section, 0, seed=self.seed)
        at_least(
            section,
            1,
            train_batch_size=self.train_batch_size,
            gradient_accumulation_steps=self.gradient_accumulation_steps,
            ema_update_interval=self.ema_update_interval,
            max_train_steps=self.max_train_steps,
            num_train_epochs=self.num_train_epochs,
            validation_steps=self.validation_steps,
            validation_images_steps=self.validation_images_steps,
            num_validation_samples=self.num_validation_samples,
            num_validation_images=self.num_validation_images,
            validation_metrics_steps=self.validation_metrics_steps,
            checkpointing_steps=self.checkpointing_steps,
        )
        at_least(section, 2, num_validation_prompts=self.num_validation_prompts)
        at_least(section, 2, checkpoints_total_limit=self.checkpoints_total_limit)
        share(section, ema_decay=self.ema_decay)
        positive = self.max_grad_norm is None or (
            math.isfinite(self.max_grad_norm) and self.max_grad_norm > 0
        )
        require(section, positive, "max_grad_norm", self.max_grad_norm, "null or above 0")
        sides = self.resolution is None or (self.resolution >= 8 and self.resolution % 8 == 0)
        require(section, sides, "resolution", self.resolution, "null or a multiple of 8")
        if (self.max_train_steps is None) == (self.num_train_epochs is None):
            raise ValueError(
                f"training.max_train_steps={self.max_train_steps} beside training.num_train_epochs="
                f"{self.num_train_epochs}: exactly one is a number, set the other to null"
            )
        late = self.max_train_steps is not None and self.ema_update_interval > self.max_train_steps
        allowed = f"{self.max_train_steps} or fewer steps, as many as the run has"
        require(section, not late, "ema_update_interval", self.ema_update_interval, allowed)
        self._check_early_stopping()

    def _check_early_stopping(self) -> None:
        stopping = self.early_stopping
        if stopping.patience is None or stopping.monitor == TRAIN_LOSS:
            return
        of_loss = stopping.monitor == VALIDATION_LOSS
        key = "validation_steps" if of_loss else "validation_metrics_steps"
        allowed = f"{TRAIN_LOSS} while {key}=null; set training.{key}"
        is_seen = getattr(self, key) is not None
        require("training", is_seen, "early_stopping.monitor", stopping.monitor, allowed)


@dataclass
class EvaluationConfig:
    """The comparison of the original with the finetuned model."""

    enabled: bool = MISSING
    split: str = MISSING
    prompts: str | None = MISSING
    num_prompts: int = MISSING
    num_general_prompts: int = MISSING
    general_prompts: str | None = MISSING
    num_train_prompts: int = MISSING
    num_train_pictures: int = MISSING
    replicates: int = MISSING
    seed: int = MISSING
    primary: str | None = MISSING
    scorer: str = MISSING
    control: Control = MISSING
    checkpoint: int | None = MISSING
    sampler: Sampler = MISSING
    num_inference_steps: int = MISSING
    guidance_scale: float = MISSING
    negative_prompt: str = MISSING
    batch_size: int = MISSING
    num_permutations: int = MISSING

    def __post_init__(self) -> None:
        section = "evaluation"
        at_least(
            section,
            1,
            replicates=self.replicates,
            num_inference_steps=self.num_inference_steps,
            batch_size=self.batch_size,
        )
        at_most(section, MOST_SAMPLING_STEPS, num_inference_steps=self.num_inference_steps)
        at_least(section, 2, num_prompts=self.num_prompts)
        at_least(
            section,
            0,
            num_general_prompts=self.num_general_prompts,
            num_train_prompts=self.num_train_prompts,
            num_train_pictures=self.num_train_pictures,
        )
        at_least(section, 1, checkpoint=self.checkpoint)
        at_least(section, 0, seed=self.seed, guidance_scale=self.guidance_scale)
        at_least(section, 99, num_permutations=self.num_permutations)
        require(section, self.split in ("val", "test"), "split", self.split, "val or test")

    def sampling(self, side: int) -> Sampling:
        """How square pictures of so many pixels a side are made."""
        how = (str(self.sampler), self.num_inference_steps, self.guidance_scale)
        return Sampling(*how, self.negative_prompt, height=side, width=side)


@dataclass
class SweepConfig:
    """Many runs: how many at once, how long each may take, and which values."""

    jobs: int | None = MISSING
    job_timeout: float | None = MISSING
    params: dict[str, str] = MISSING

    def __post_init__(self) -> None:
        at_least("sweep", 1, jobs=self.jobs)
        at_least("sweep", 1, job_timeout=self.job_timeout)
