"""All recipes of one run."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sdexp.backbone.base import AbstractBackbone
from sdexp.dataset.base import AbstractDataset
from sdexp.finetune.base import AbstractFinetune
from sdexp.finetune.given import Given
from sdexp.ground.agreement import check_in_backward
from sdexp.ground.assets import hub_is_reachable
from sdexp.ground.build import (
    Config,
    Faults,
    build,
    chosen,
    plain,
    read_run_config,
    typed,
)
from sdexp.ground.config import (
    TRAIN_LOSS,
    VALIDATION,
    VALIDATION_LOSS,
    EvaluationConfig,
    HardwareConfig,
    SchedulerConfig,
    TrainingConfig,
)
from sdexp.ground.errors import ConfigError, DataError, what_fails
from sdexp.ground.prompt_files import read_prompts
from sdexp.metric.base import AbstractMetric
from sdexp.metric.judging import Judging
from sdexp.model.base import AbstractModel
from sdexp.objective.base import AbstractObjective
from sdexp.optimizer.any_torch import PREFIX, AnyTorch
from sdexp.optimizer.base import AbstractOptimizer
from sdexp.tracker.base import AbstractTracker


@dataclass(frozen=True)
class Recipes:
    """What the engine needs of a configuration; below the doors nothing else is passed on."""

    model: AbstractModel
    finetune: AbstractFinetune
    dataset: AbstractDataset
    objective: AbstractObjective
    trackers: dict[str, AbstractTracker]
    judging: Judging
    optimizer: AbstractOptimizer
    scheduler: SchedulerConfig
    hardware: HardwareConfig
    training: TrainingConfig

    @property
    def evaluation(self) -> EvaluationConfig:
        return self.judging.evaluation

    def check(self) -> None:
        """What two sections must agree on; raises `ConfigError` with every fault."""
        lines = self._foreign_components() + self._meaningless() + self._objective_faults()
        lines += self.judging.faults() or self._blind_judges()
        if lines:
            raise ConfigError("\n".join(lines))

    @property
    def scores_pictures(self) -> bool:
        """Whether metrics are asked, at the end or on the way."""
        return self.evaluation.enabled or self.training.validation_metrics_steps is not None

    def _foreign_components(self) -> list[str]:
        foreign = [c for c in self.finetune.components if c not in self.model.trainable]
        if not foreign:
            return []
        allowed = ", ".join(self.model.trainable)
        return [f"finetune.components={foreign}: allowed are {allowed}, each once"]

    def _meaningless(self) -> list[str]:
        if self.model.may_be_evaluated or not self.scores_pictures:
            return []
        return [
            "model.weights=random: pictures of random weights say nothing; set evaluation=none, or "
            "model.allow_random=true for a test"
        ]

    def _objective_faults(self) -> list[str]:
        objective = self.objective
        lines = []
        reached = objective.reaches
        if reached is not None and not set(self.finetune.components) <= set(reached):
            lines.append(
                f"finetune.components={self.finetune.components}: the loss of this objective "
                f"reaches {', '.join(reached)} only; choose finetune={reached[0]}"
            )
        if objective.compares_samples and self.training.train_batch_size < 2:
            lines.append(
                f"training.train_batch_size={self.training.train_batch_size}: this objective "
                "compares the samples of a batch; set 2 or more"
            )
        if objective.tower is not None:
            lines += self.judging.tower_faults(objective.tower, objective.tower_gives)
        return lines

    def _blind_judges(self) -> list[str]:
        """Judges of the embedded world see nothing in other pictures."""
        blind = self.judging.embedded
        if self.dataset.is_embedded or not self.scores_pictures or not blind:
            return []
        return [
            f"metric.{blind[0]}: its judge was trained on coloured shapes and knows nothing of "
            "these pictures; choose metric=offline, or a real CLIP with evaluation.scorer"
        ]

    def warnings(self) -> list[str]:
        """What a person should know before the run."""
        lines = self.model.warnings() + self._objective_warnings() + self._watched()
        if self.dataset.is_embedded or not self.model.is_embedded:
            return lines
        return [
            *lines,
            "the embedded model knows coloured shapes of 64 pixels and nothing of these pictures; "
            "choose a real one, such as model=sd14",
        ]

    def _watched(self) -> list[str]:
        """A split that chose the weights cannot also say how good they are."""
        stopping = self.training.early_stopping
        watches = stopping.patience is not None and stopping.monitor != TRAIN_LOSS
        if not (self.finetune.trains and watches and self.evaluation.enabled):
            return []
        if self.evaluation.split != "val":
            return []
        return [
            f"evaluation.split=val: early stopping by {stopping.monitor} chooses the weights by "
            "this split, so its scores are optimistic; evaluate on test"
        ]

    def _objective_warnings(self) -> list[str]:
        lines = []
        if self.objective.compares_samples:
            lines.append(
                "the loss compares the samples of a micro-batch: other than elsewhere, "
                "training.train_batch_size, training.gradient_accumulation_steps and "
                "hardware.num_processes change what is learned"
            )
        tower = self.objective.tower
        if tower is not None and self.evaluation.enabled:
            lines += self.judging.partial_to(tower)
        return lines

    def check_training(self) -> None:
        """Raise `ConfigError` for what can only be evaluated."""
        if not self.finetune.trains:
            raise ConfigError(
                "finetune=given: does not train; python -m sdexp.evaluate finetuned=PATH evaluates "
                "it"
            )
        if self.evaluation.checkpoint is not None:
            raise ConfigError(
                f"evaluation.checkpoint={self.evaluation.checkpoint}: a training is evaluated at "
                "its end; python -m sdexp.evaluate run=... checkpoint=... looks at an earlier step"
            )
        self._check_monitor()
        check_in_backward(self.training, self.hardware)

    def _check_monitor(self) -> None:
        """Raise `ConfigError` where training would be ended by a metric that is not there."""
        stopping = self.training.early_stopping
        allowed = [TRAIN_LOSS, VALIDATION_LOSS, *(f"{VALIDATION}{n}" for n in self.judging.metrics)]
        if stopping.patience is not None and stopping.monitor not in allowed:
            raise ConfigError(
                f"training.early_stopping.monitor={stopping.monitor}: allowed is one of "
                f"{', '.join(allowed)}"
            )

    def check_files(self) -> None:
        """Raise `DataError` with a line for each file that is missing on this machine."""
        self.optimizer.check()
        self.finetune.check()
        checks: list[Callable[[], object]] = [self.model.check, self.dataset.check]
        for key in ("prompts", "general_prompts") if self.evaluation.enabled else ():
            named = getattr(self.evaluation, key)
            if named is not None:
                checks.append(partial(read_prompts, f"evaluation.{key}", named))
        lines = what_fails(checks)
        judges = self.judging.used if self.scores_pictures else []
        tower = self.objective.tower
        if self.finetune.trains and tower is not None:
            judges = sorted({*judges, tower})
        lines += self.judging.missing_files(judges, hub_is_reachable())
        if lines:
            raise DataError("\n".join(lines))


PARTS: dict[str, type[Any]] = {
    "model": AbstractModel,
    "finetune": AbstractFinetune,
    "dataset": AbstractDataset,
    "objective": AbstractObjective,
}
SECTIONS: dict[str, type[Any]] = {
    "scheduler": SchedulerConfig,
    "hardware": HardwareConfig,
    "training": TrainingConfig,
}


def _build_part(config: Config, group: str, base: type[Any]) -> Any:
    return build(group, chosen(config, group), base)


def _build_each(config: Config, faults: Faults, group: str, base: type[Any]) -> dict[str, Any]:
    """The parts of a group that takes a list, by name."""
    return {
        str(name): faults.catch(partial(build, f"{group}.{name}", node, base))
        for name, node in chosen(config, group).items()
    }


def given(folder: Path) -> AbstractFinetune:
    """Weights of a folder in whatever form they come, such as an export."""
    return Given([], str(folder))


def _build_optimizer(config: Config) -> AbstractOptimizer:
    """`_target_: torch.optim.NAME` is any class of torch, with torch's argument names."""
    node = chosen(config, "optimizer")
    target = str(node["_target_"]) if "_target_" in node else ""
    if not target.startswith(PREFIX):
        return build("optimizer", node, AbstractOptimizer)
    arguments = plain(node)
    del arguments["_target_"]
    lr = arguments.pop("lr") if "lr" in arguments else None
    values = {"name": target.removeprefix(PREFIX), "lr": lr, "arguments": arguments}
    return typed("optimizer", AnyTorch, values)


def _build_metrics(config: Config, faults: Faults) -> dict[str, Any]:
    metrics = _build_each(config, faults, "metric", AbstractMetric)
    if not metrics:
        raise ConfigError("metric: none is chosen; name at least one, such as metric=[kid]")
    return metrics


def read_recipes(file: Path) -> Recipes:
    """The recipes of a run's configuration; raises `ConfigError` that names the file."""
    config = read_run_config(file)
    try:
        return build_recipes(config)
    except ConfigError as error:
        lines = str(error).splitlines()
        raise ConfigError("\n".join(f"{file}: {line}" for line in lines)) from error


def build_recipes(config: Config) -> Recipes:
    """Build every recipe; raises one `ConfigError` with a line for each fault."""
    faults = Faults()
    made: dict[str, Any] = {}
    for group, base in PARTS.items():
        made[group] = faults.catch(partial(_build_part, config, group, base))
    made["trackers"] = faults.catch(
        partial(_build_each, config, faults, "tracker", AbstractTracker)
    )
    made["optimizer"] = faults.catch(partial(_build_optimizer, config))
    for section, schema in SECTIONS.items():
        made[section] = faults.catch(partial(typed, section, schema, config[section]))
    judging = _judging(config, faults)
    faults.check()
    recipes = Recipes(judging=Judging(**judging), **made)
    recipes.check()
    return recipes


def build_judging(config: Config) -> Judging:
    """Build what scores pictures; raises one `ConfigError` with a line for each fault."""
    faults = Faults()
    made = _judging(config, faults)
    faults.check()
    judging = Judging(**made)
    lines = judging.faults()
    if lines:
        raise ConfigError("\n".join(lines))
    return judging


def _judging(config: Config, faults: Faults) -> dict[str, Any]:
    return {
        "metrics": faults.catch(partial(_build_metrics, config, faults)),
        "backbones": faults.catch(
            partial(_build_each, config, faults, "backbone", AbstractBackbone)
        ),
        "evaluation": faults.catch(
            partial(typed, "evaluation", EvaluationConfig, config.evaluation)
        ),
    }
