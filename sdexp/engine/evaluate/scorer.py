"""Scores of original and finetuned pictures, and whether they differ."""

import math
from dataclasses import dataclass

import numpy as np

from sdexp.backbone.base import PictureSet
from sdexp.engine.evaluate.features import Features
from sdexp.engine.evaluate.pictures import MadePictures
from sdexp.engine.prompts import Prompt
from sdexp.ground.config import EvaluationConfig
from sdexp.ground.run import MODELS
from sdexp.ground.score_records import (
    DriftRecord,
    FloorRecord,
    MetricRecord,
    NoiseRecord,
    PairRecord,
    ShareRecord,
)
from sdexp.ground.store import Store
from sdexp.ground.streams import array_stream
from sdexp.metric.base import AbstractMetric
from sdexp.metric.judging import Judging
from sdexp.stats.comparison import Comparison, verdict, wilson
from sdexp.stats.distribution import compare_distributions
from sdexp.stats.paired import compare_means


@dataclass(frozen=True)
class Pictures:
    """Everything that is scored.

    made: by model, those of each prompt's replicates together; references: all real pictures of
    the split, where `prompt.index` is the place of a prompt's own.
    """

    prompts: list[Prompt]
    replicates: int
    made: dict[str, MadePictures]
    references: PictureSet

    @property
    def resolution(self) -> int:
        """Pixels of each side."""
        return len(self.made["original"].shown.read(0))


@dataclass(frozen=True)
class Score:
    """One metric's features, [P, R, d] by model, its comparison and its controls.

    prompts: what each prompt adds, [P] by model, nothing where that cannot be told; floor: the
    metric of real pictures against others; other_captions, other_references: with those of other
    prompts; drift: how far the finetuned pictures lie from the original's; noise: what other noise
    alone does. None where the metric has no such thing. overlong: captions that the
    backbone reads only the beginning of.
    """

    features: dict[str, np.ndarray]
    record: MetricRecord
    prompts: dict[str, np.ndarray]
    floor: FloorRecord | None = None
    other_captions: PairRecord | None = None
    other_references: PairRecord | None = None
    drift: DriftRecord | None = None
    noise: NoiseRecord | None = None
    overlong: int = 0


class Scorer:
    """Applies metrics to pictures under one protocol; each backbone is loaded once."""

    def __init__(self, judging: Judging, store: Store, device: str) -> None:
        self._judging = judging
        self._store = store
        self._device = device
        self._started: dict[str, Features] = {}

    def score(self, name: str, metric: AbstractMetric, pictures: Pictures) -> Score:
        """Features, then statistics on arrays."""
        of_metric = self.at_work(name, metric, pictures)
        return of_metric.distributions() if of_metric.is_distance else of_metric.paired()

    def at_work(self, name: str, metric: AbstractMetric, pictures: Pictures) -> "MetricAtWork":
        """A metric on these pictures."""
        source = self.source(metric.backbone)
        return MetricAtWork(self._judging.evaluation, name, metric, source, pictures)

    def source(self, name: str) -> Features:
        """Features of a backbone, which is loaded the first time."""
        if name not in self._started:
            loaded = self._judging.backbones[name].start(self._device)
            self._started[name] = Features(loaded, self._store, self._device)
        return self._started[name]


@dataclass(frozen=True)
class MetricAtWork:
    """One metric, its backbone's features and the pictures."""

    config: EvaluationConfig
    name: str
    metric: AbstractMetric
    source: Features
    pictures: Pictures

    def features(self, model: str, shift: int = 0) -> np.ndarray:
        """[P, R, d]; `shift` holds each picture against another prompt, as a control."""
        pictures = self.pictures
        count = len(pictures.prompts)
        partner = np.roll(np.arange(count), -shift).repeat(pictures.replicates)
        partners = [pictures.prompts[i] for i in partner]
        captions = [prompt.caption for prompt in partners]
        if self.metric.partner == "replicates":
            return self.among_replicates(model)
        references = None
        if self.metric.partner == "reference":
            references = pictures.references.at([prompt.index for prompt in partners])
        shown = pictures.made[model].shown
        flat = self.metric.features(self.source, shown, captions, references)
        return flat.reshape(count, pictures.replicates, -1)

    def among_replicates(self, model: str) -> np.ndarray:
        """[P, R, 1]: the mean over the other pictures of the same prompt."""
        pictures = self.pictures
        count = len(pictures.prompts)
        replicates = pictures.replicates
        shown = pictures.made[model].shown
        captions = [prompt.caption for prompt in pictures.prompts for _ in range(replicates)]
        places = np.arange(count * replicates).reshape(count, replicates)
        values = []
        for shift in range(1, replicates):
            fellows = shown.at(np.roll(places, -shift, axis=1).ravel().tolist())
            values.append(self.metric.features(self.source, shown, captions, fellows))
        return np.mean(values, axis=0).reshape(count, replicates, -1)

    def paired(self) -> Score:
        """A number for each picture, compared prompt by prompt."""
        features = {model: self.features(model) for model in MODELS}
        partner = self.metric.partner
        return Score(
            features,
            self.compared(features),
            {model: values[:, :, 0].mean(axis=1) for model, values in features.items()},
            other_captions=self._other() if partner == "caption" else None,
            other_references=self._other() if partner == "reference" else None,
            drift=self.drift() if self.metric.tells_drift else None,
            noise=self._noise(features) if partner != "replicates" else None,
            overlong=self._overlong() if "texts" in self.metric.needs else 0,
        )

    def compared(self, features: dict[str, np.ndarray]) -> MetricRecord:
        """Numbers [P, R, 1] of each model, compared."""
        original, finetuned = (features[model][:, :, 0] for model in MODELS)
        rng = array_stream(self.config.seed, "inference", self.name)
        comparison = compare_means(original, finetuned, rng, self.config.num_permutations)
        references = len(original) if self.metric.partner == "reference" else 0
        return self._record(comparison, features, references)

    def _noise(
        self, features: dict[str, np.ndarray], real: np.ndarray | None = None
    ) -> NoiseRecord | None:
        """The original by one replicate and by another; None with a single one, or too few."""
        of_original = features["original"]
        if of_original.shape[1] < 2 or len(of_original) < self.metric.least():
            return None
        against = of_original if real is None else real
        first, second = (self.metric.statistic(of_original[:, k], against) for k in (0, 1))
        return NoiseRecord(first, second)

    def _overlong(self) -> int:
        captions = [prompt.caption for prompt in self.pictures.prompts]
        return self.source.backbone.overlong(captions)

    def _other(self) -> PairRecord:
        """The metric of both models by the partners of other prompts."""
        return PairRecord(*(float(self.features(model, shift=1).mean()) for model in MODELS))

    def drift(self) -> DriftRecord:
        """The metric between both models' pictures of one prompt and replicate."""
        pictures = self.pictures
        original, finetuned = (pictures.made[model].shown for model in MODELS)
        shape = (len(pictures.prompts), pictures.replicates)
        captions = [prompt.caption for prompt in pictures.prompts for _ in range(shape[1])]
        flat = self.metric.features(self.source, finetuned, captions, original)
        values = flat.reshape(shape)
        # Against zeros the paired interval is that of the mean itself.
        comparison = compare_means(
            np.zeros_like(values),
            values,
            array_stream(self.config.seed, "drift", self.name),
            self.config.num_permutations,
        )
        backbone = self.source.backbone
        noise = float(self.among_replicates("original").mean()) if shape[1] > 1 else None
        return DriftRecord(comparison.difference, comparison.ci95, backbone.name, noise)

    @property
    def is_distance(self) -> bool:
        """Whether it holds all pictures against all real ones."""
        return self.metric.partner == "distribution"

    def value(self, model: str, real: np.ndarray | None) -> float:
        """The metric of one model's pictures by itself; real: [M, d] of a distance, else None."""
        features = self.features(model)
        flat = features.reshape(-1, features.shape[-1])
        return self.metric.statistic(flat, flat if real is None else real)

    def real_features(self) -> np.ndarray:
        """Features of all real pictures, [M, d]."""
        return self.metric.features(self.source, self.pictures.references, [], None)

    def distributions(self) -> Score:
        """All pictures of a model against all real ones."""
        features = {model: self.features(model) for model in MODELS}
        real = self.real_features()
        original, finetuned = (features[model] for model in MODELS)
        comparison = compare_distributions(
            original,
            finetuned,
            self.metric.against(real),
            rng=array_stream(self.config.seed, "inference", self.name),
            permutations=self.config.num_permutations,
        )
        size = min(math.prod(original.shape[:2]), len(real) // 2)
        record = self._record(comparison, features, len(real))
        noise = self._noise(features, real)
        prompts = dict(zip(MODELS, comparison.values, strict=True)) if comparison.values else {}
        return Score(features, record, prompts, floor=self._floor(real, size), noise=noise)

    def _floor(self, real: np.ndarray, size: int) -> FloorRecord | None:
        """The metric of `size` real pictures against the others."""
        if min(size, len(real) - size) < self.metric.least():
            return None
        order = array_stream(self.config.seed, "real vs real").permutation(len(real))
        value = self.metric.statistic(real[order[:size]], real[order[size:]])
        return FloorRecord(value, size, len(real) - size)

    def _record(
        self, comparison: Comparison, features: dict[str, np.ndarray], n_reference: int
    ) -> MetricRecord:
        metric = self.metric
        effect = comparison.minimum_detectable_effect
        return MetricRecord(
            original=comparison.original,
            finetuned=comparison.finetuned,
            difference=comparison.difference,
            ci95=comparison.ci95,
            p=comparison.p,
            least_p=comparison.least_p,
            minimum_detectable_effect=effect if math.isfinite(effect) else None,
            needed_prompts=comparison.needed_prompts(metric.matters),
            effect_size=comparison.effect_size,
            wins=_wins(comparison, metric.higher_is_better),
            smallest_effect=metric.matters,
            higher_is_better=metric.higher_is_better,
            unit=metric.unit,
            backbone=self.source.backbone.name,
            backbone_sha256=self.source.backbone.sha256,
            verdict=verdict(comparison, metric.higher_is_better, metric.matters),
            n=math.prod(features["original"].shape[:2]),
            n_reference=n_reference,
        )


def _wins(comparison: Comparison, higher_is_better: bool) -> ShareRecord | None:
    """The share of prompts that the finetuned model serves better."""
    if comparison.win_rate is None:
        return None
    share = comparison.win_rate if higher_is_better else 1 - comparison.win_rate
    return ShareRecord(share, wilson(share, comparison.prompts))
