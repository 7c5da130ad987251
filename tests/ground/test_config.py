from typing import Any

import pytest

from sdexp.ground.build import typed
from sdexp.ground.config import (
    EvaluationConfig,
    HardwareConfig,
    Schedule,
    SchedulerConfig,
    SweepConfig,
    TrainingConfig,
)
from sdexp.ground.errors import ConfigError
from sdexp.ground.sampling import Sampling


@pytest.mark.parametrize("steps, part, total, expected", [
    (0, 0.0, 100, 0), (0, 0.1, 100, 10), (0, 0.125, 100, 12), (7, 0.0, 5, 7), (0, 1.0, 9, 9),
])  # fmt: skip
def test_warm_up_is_steps_or_a_share(steps: int, part: float, total: int, expected: int) -> None:
    assert SchedulerConfig(Schedule.linear, steps, part).warmup(total) == expected


FAULTS = {
    "hardware.num_processes=0": "hardware.num_processes=0: allowed is 1 or more",
    "hardware.timeout=1e8": r"hardware.timeout=100000000.0: allowed is 3.2e\+07 or less",
    "hardware.dataloader_num_workers=-1": "allowed is 0 or more",
    "training.seed=-1": "training.seed=-1: allowed is 0 or more",
    "training.validation_steps=0": "training.validation_steps=0: allowed is 1 or more",
    "training.max_grad_norm=0": "training.max_grad_norm=0.0: allowed is null or above 0",
    "training.resolution=4": "training.resolution=4: allowed is null or a multiple of 8",
    "training.checkpoints_total_limit=1": "allowed is 2 or more",
    "training.early_stopping.patience=0": "training.early_stopping.patience=0: allowed is 1",
    "training.early_stopping.min_delta=-1": "min_delta=-1.0: allowed is 0 or more",
    "evaluation.num_prompts=1": "evaluation.num_prompts=1: allowed is 2 or more",
    "evaluation.num_general_prompts=-1": "num_general_prompts=-1: allowed is 0 or more",
    "evaluation.guidance_scale=-0.5": "evaluation.guidance_scale=-0.5: allowed is 0 or more",
    "evaluation.num_permutations=98": "evaluation.num_permutations=98: allowed is 99 or more",
    "evaluation.num_inference_steps=1001": "num_inference_steps=1001: allowed is 1000 or less",
    "evaluation.split=train": "evaluation.split=train: allowed is val or test",
    "sweep.jobs=0": "sweep.jobs=0: allowed is 1 or more",
    "sweep.job_timeout=0.5": "sweep.job_timeout=0.5: allowed is 1 or more",
}
SECTIONS: dict[str, type[Any]] = {
    "hardware": HardwareConfig,
    "training": TrainingConfig,
    "evaluation": EvaluationConfig,
    "sweep": SweepConfig,
}


@pytest.mark.parametrize("override", FAULTS)
def test_a_value_out_of_range_is_named(override: str, config: Any) -> None:
    section = override.partition(".")[0]
    with pytest.raises(ConfigError, match=FAULTS[override]):
        typed(section, SECTIONS[section], config(override)[section])


def test_half_precision_is_not_for_a_cpu(config: Any) -> None:
    half = "hardware.mixed_precision=fp16"
    for device in ("auto", "cuda", "mps"):
        typed("hardware", HardwareConfig, config(half, f"hardware.device={device}").hardware)
    with pytest.raises(ConfigError, match="allowed is no or bf16 on a CPU"):
        typed("hardware", HardwareConfig, config(half, "hardware.device=cpu").hardware)


def test_stopping_early_needs_what_it_watches(config: Any) -> None:
    blind = ("training.early_stopping.patience=2", "training.validation_steps=null")
    loss = "training.early_stopping.monitor=train/loss"
    typed("training", TrainingConfig, config(*blind, loss).training)
    with pytest.raises(ConfigError, match="allowed is train/loss while validation_steps=null"):
        typed("training", TrainingConfig, config(*blind).training)
    kid = "training.early_stopping.monitor=validation/kid"
    with pytest.raises(ConfigError, match="validation_metrics_steps=null; set training.valid"):
        typed("training", TrainingConfig, config(*blind, kid).training)
    asked = "training.validation_metrics_steps=2"
    typed("training", TrainingConfig, config(*blind, kid, asked).training)


def test_an_evaluation_makes_square_pictures_as_it_is_told_to(config: Any) -> None:
    words = ["sampler=euler", "num_inference_steps=7", "guidance_scale=3.5", "negative_prompt=grey"]
    told = config(*(f"evaluation.{word}" for word in words)).evaluation
    made = typed("evaluation", EvaluationConfig, told).sampling(96)
    assert made == Sampling("euler", 7, 3.5, "grey", height=96, width=96)
