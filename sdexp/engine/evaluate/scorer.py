"""Scores of original and finetuned pictures, and whether they differ."""

import hashlib
import math
from dataclasses import dataclass

import numpy as np

from sdexp.engine.prompts import Prompt
from sdexp.ground.config import EvaluationConfig
from sdexp.ground.records import DriftRecord, FloorRecord, MetricRecord, PairRecord
from sdexp.ground.rows import PictureRow
from sdexp.ground.run import MODELS
from sdexp.ground.streams import array_stream
from sdexp.metric.base import AbstractExtractor, AbstractMetric
from sdexp.stats.distribution import compare_distributions
from sdexp.stats.paired import Comparison, compare_means, verdict


@dataclass(frozen=True)
class Pictures:
    """Everything that is scored.

    made: by model, uint8 [P, R, H, W, 3]; references: uint8 [M, H, W, 3], all real pictures of
    the split; own: places of the prompts' own pictures in them, [P].
    """

    prompts: list[Prompt]
    made: dict[str, np.ndarray]
    references: np.ndarray
    own: np.ndarray


@dataclass(frozen=True)
class Score:
    """One metric's features, [P, R, d] by model, its comparison and its controls.

    floor: the metric of real pictures against others; other_captions, other_references: with those
    of other prompts; drift: how far the finetuned pictures lie from the original's. None where the
    metric has no such thing.
    """

    features: dict[str, np.ndarray]
    record: MetricRecord
    floor: FloorRecord | None = None
    other_captions: PairRecord | None = None
    other_references: PairRecord | None = None
    drift: DriftRecord | None = None


class Scorer:
    """Applies metrics to pictures under one protocol."""

    def __init__(self, config: EvaluationConfig, device: str) -> None:
        self.config = config
        self.device = device

    def score(self, name: str, metric: AbstractMetric, pictures: Pictures) -> Score:
        """Features once for each picture, then statistics on arrays."""
        extractor = metric.start(self.device)
        features = {
            model: self._features(extractor, metric, pictures, pictures.made[model])
            for model in MODELS
        }
        if metric.per_picture:
            return self._paired(name, metric, extractor, pictures, features)
        return self._distributions(name, metric, extractor, pictures, features)

    def _features(
        self,
        extractor: AbstractExtractor,
        metric: AbstractMetric,
        pictures: Pictures,
        made: np.ndarray,
        shift: int = 0,
    ) -> np.ndarray:
        """[P, R, d]; `shift` pairs each picture with another prompt, as a control."""
        count, replicates = made.shape[:2]
        partner = np.roll(np.arange(count), -shift).repeat(replicates)
        captions = [pictures.prompts[i].caption for i in partner]
        references = pictures.references[pictures.own[partner]] if metric.needs_reference else None
        flat = extractor.features(made.reshape(-1, *made.shape[2:]), captions, references)
        return flat.reshape(count, replicates, -1)

    def _paired(
        self,
        name: str,
        metric: AbstractMetric,
        extractor: AbstractExtractor,
        pictures: Pictures,
        features: dict[str, np.ndarray],
    ) -> Score:
        original, finetuned = (features[model][:, :, 0] for model in MODELS)
        rng = array_stream(self.config.seed, "inference", name)
        comparison = compare_means(
            original, finetuned, rng, self.config.num_resamples, self.config.num_permutations
        )
        other = PairRecord(
            *(
                float(self._features(extractor, metric, pictures, pictures.made[m], 1).mean())
                for m in MODELS
            )
        )
        by_reference = metric.needs_reference
        return Score(
            features,
            self._record(name, metric, comparison, features, len(pictures.prompts) * by_reference),
            other_captions=None if by_reference else other,
            other_references=other if by_reference else None,
            drift=self._drift(name, metric, extractor, pictures),
        )

    def _drift(
        self, name: str, metric: AbstractMetric, extractor: AbstractExtractor, pictures: Pictures
    ) -> DriftRecord | None:
        """The metric between both models' pictures of one prompt and replicate."""
        if not metric.needs_reference:
            return None
        original, finetuned = (pictures.made[model] for model in MODELS)
        shape = original.shape
        captions = [prompt.caption for prompt in pictures.prompts for _ in range(shape[1])]
        pairs = [made.reshape(-1, *shape[2:]) for made in (finetuned, original)]
        values = extractor.features(pairs[0], captions, pairs[1]).reshape(shape[:2])
        # Against zeros the paired interval is that of the mean itself.
        comparison = compare_means(
            np.zeros_like(values),
            values,
            array_stream(self.config.seed, "drift", name),
            self.config.num_resamples,
            self.config.num_permutations,
        )
        return DriftRecord(comparison.difference, comparison.ci95, metric.backbone)

    def _distributions(
        self,
        name: str,
        metric: AbstractMetric,
        extractor: AbstractExtractor,
        pictures: Pictures,
        features: dict[str, np.ndarray],
    ) -> Score:
        real = extractor.features(pictures.references, [], None)
        original, finetuned = (features[model] for model in MODELS)
        comparison = compare_distributions(
            original,
            finetuned,
            metric.against(real),
            has_interval=metric.has_interval,
            rng=array_stream(self.config.seed, "inference", name),
            permutations=self.config.num_permutations,
        )
        size = min(original.shape[0] * original.shape[1], len(real) // 2)
        record = self._record(name, metric, comparison, features, len(real))
        return Score(features, record, floor=self._floor(metric, real, size))

    def _floor(self, metric: AbstractMetric, real: np.ndarray, size: int) -> FloorRecord | None:
        """The metric of `size` real pictures against the others."""
        if size < 2:
            return None
        order = array_stream(self.config.seed, "real vs real").permutation(len(real))
        value = metric.statistic(real[order[:size]], real[order[size:]])
        return FloorRecord(value, size, len(real) - size)

    def _record(
        self,
        name: str,
        metric: AbstractMetric,
        comparison: Comparison,
        features: dict[str, np.ndarray],
        n_reference: int,
    ) -> MetricRecord:
        smallest = self.config.smallest_effect[name]
        effect = comparison.minimum_detectable_effect
        return MetricRecord(
            original=comparison.original,
            finetuned=comparison.finetuned,
            difference=comparison.difference,
            ci95=comparison.ci95,
            p=comparison.p,
            minimum_detectable_effect=effect if math.isfinite(effect) else None,
            smallest_effect=smallest,
            higher_is_better=metric.higher_is_better,
            backbone=metric.backbone,
            verdict=verdict(comparison, metric.higher_is_better, smallest),
            n=math.prod(features["original"].shape[:2]),
            n_reference=n_reference,
        )


def per_image_rows(pictures: Pictures, scores: dict[str, Score]) -> list[PictureRow]:
    """One row per prompt, replicate and model, with the score of each per-picture metric."""
    per_picture = {n: s.features for n, s in scores.items() if s.features["original"].shape[2] == 1}
    return [
        _row(pictures, per_picture, model, i, replicate)
        for model in MODELS
        for i in range(len(pictures.prompts))
        for replicate in range(pictures.made[model].shape[1])
    ]


def _row(
    pictures: Pictures,
    per_picture: dict[str, dict[str, np.ndarray]],
    model: str,
    i: int,
    replicate: int,
) -> PictureRow:
    prompt = pictures.prompts[i]
    pixels = pictures.made[model][i, replicate]
    return PictureRow(
        prompt_id=prompt.prompt_id,
        replicate=replicate,
        model=model,
        sample_id=prompt.sample_id,
        caption=prompt.caption,
        path=f"images/{model}/{prompt.prompt_id}_{replicate}.png",
        pixel_sha256=hashlib.sha256(pixels.tobytes()).hexdigest(),
        scores={name: float(f[model][i, replicate, 0]) for name, f in per_picture.items()},
    )
