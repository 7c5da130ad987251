"""The metrics of a configuration, the backbones under them, and how they are used."""

from dataclasses import dataclass
from functools import partial

from sdexp.backbone.base import AbstractBackbone, Gift
from sdexp.ground.build import did_you_mean
from sdexp.ground.config import EvaluationConfig
from sdexp.ground.errors import what_fails
from sdexp.metric.base import AbstractMetric


@dataclass(frozen=True)
class Judging:
    """What scores pictures, and how."""

    metrics: dict[str, AbstractMetric]
    backbones: dict[str, AbstractBackbone]
    evaluation: EvaluationConfig

    def faults(self) -> list[str]:
        """A line for each metric whose backbone does not fit, and for a primary that is none."""
        lines = [self._backbone_fault(name, metric) for name, metric in self.metrics.items()]
        if self.evaluation.primary not in self.metrics:
            lines.append(
                f"evaluation.primary={self.evaluation.primary}: not among the metrics; "
                f"allowed: {', '.join(sorted(self.metrics))}"
            )
        if self.evaluation.prompts is not None and self.held_against_real:
            lines.append(
                f"evaluation.prompts={self.evaluation.prompts}: no real pictures belong to them, "
                f"which metric {self.held_against_real[0]} needs; choose others, such as "
                "metric=[clip_score]"
            )
        return [line for line in lines if line]

    def _backbone_fault(self, name: str, metric: AbstractMetric) -> str:
        key = f"metric.{name}.backbone={metric.backbone}"
        if metric.backbone not in self.backbones:
            hint = did_you_mean(metric.backbone, sorted(self.backbones))
            return f"{key}: not among the backbones; {hint}"
        backbone = self.backbones[metric.backbone]
        lacking = sorted(metric.needs - backbone.gives)
        if lacking:
            return f"{key}: gives no {lacking[0]}; choose a backbone that does"
        if metric.standard and metric.standard not in backbone.standards:
            return f"{key}: not the network that {metric.standard} is defined by; choose that one"
        if not metric.is_effect_known:
            return (
                f"metric.{name}.smallest_effect: none is known over {metric.backbone}; say which "
                f"difference would matter by +metric.{name}.smallest_effect.{metric.backbone}=..."
            )
        return ""

    @property
    def held_against_real(self) -> list[str]:
        """Metrics that hold pictures against real ones."""
        real = ("reference", "distribution")
        return [name for name, metric in self.metrics.items() if metric.partner in real]

    @property
    def used(self) -> list[str]:
        """Names of the backbones that a metric rests on."""
        return sorted({metric.backbone for metric in self.metrics.values()})

    @property
    def embedded(self) -> list[str]:
        """Metrics whose judge knows the embedded world only."""
        return [n for n, m in self.metrics.items() if self.backbones[m.backbone].is_embedded]

    def warnings(self) -> list[str]:
        """What a person should know who has pictures of the real world scored."""
        embedded = self.embedded
        if not embedded:
            return []
        judge = self.backbones[self.metrics[embedded[0]].backbone].name
        return [
            f"the embedded judge {judge} was trained on coloured shapes; its scores of other "
            f"pictures ({', '.join(embedded)}) mean little: choose a real one with "
            "evaluation.scorer"
        ]

    def tower_faults(self, key: str, needed: frozenset[Gift]) -> list[str]:
        """A line where the backbone of that key cannot be trained against."""
        named = f"objective.backbone={key}"
        if key not in self.backbones:
            hint = did_you_mean(key, sorted(self.backbones))
            return [f"{named}: not among the backbones; {hint}"]
        lacking = sorted(needed - self.backbones[key].gives)
        return [f"{named}: gives no {lacking[0]}; choose a CLIP"] if lacking else []

    def partial_to(self, tower: str) -> list[str]:
        """What a person should know of metrics that rest on what was trained against."""
        own = self.backbones[tower].name
        near = [n for n, m in self.metrics.items() if self.backbones[m.backbone].name == own]
        if not near:
            return []
        return [
            f"{', '.join(near)}: judged by {own}, which the training brings captions close to; a "
            "gain there is no proof of better pictures"
        ]

    def missing_files(self, names: list[str], reachable: bool) -> list[str]:
        """A line for each of these backbones whose weights are missing on this machine.

        reachable: whether what is missing would be fetched.
        """
        checks = [partial(self.backbones[n].check, self._key_of(n), reachable) for n in names]
        return what_fails(checks)

    def _key_of(self, backbone: str) -> str:
        """What a person sets to choose the weights of a backbone."""
        is_scorer = self.backbones[backbone].name == self.evaluation.scorer
        key = f"backbone.{backbone}.pretrained_model_name_or_path"
        return "evaluation.scorer" if is_scorer else key
