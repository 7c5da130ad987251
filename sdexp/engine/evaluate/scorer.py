"""Scores of original and finetuned pictures, and whether they differ."""

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdexp.engine.prompts import Prompt
from sdexp.ground.config import EvaluationConfig
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

    drift: how far the finetuned pictures lie from the original's; None where the metric compares
    no two pictures.
    """

    features: dict[str, np.ndarray]
    summary: dict[str, Any]
    controls: dict[str, Any]
    drift: dict[str, Any] | None


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
            comparison, controls = self._paired(name, metric, extractor, pictures, features)
            n_reference = len(pictures.prompts) if metric.needs_reference else 0
            drift = self._drift(name, metric, extractor, pictures)
        else:
            comparison, controls = self._distributions(name, metric, extractor, pictures, features)
            n_reference = len(pictures.references)
            drift = None
        summary = self._summary(name, metric, comparison)
        summary["n"] = len(pictures.prompts) * self.config.replicates
        summary["n_reference"] = n_reference
        return Score(features, summary, controls, drift)

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
    ) -> tuple[Comparison, dict[str, Any]]:
        original, finetuned = (features[model][:, :, 0] for model in MODELS)
        rng = array_stream(self.config.seed, "inference", name)
        comparison = compare_means(
            original, finetuned, rng, self.config.num_resamples, self.config.num_permutations
        )
        what = "shuffled_references" if metric.needs_reference else "shuffled_captions"
        shuffled = {
            model: float(
                self._features(extractor, metric, pictures, pictures.made[model], 1).mean()
            )
            for model in MODELS
        }
        return comparison, {what: {name: shuffled}}

    def _drift(
        self, name: str, metric: AbstractMetric, extractor: AbstractExtractor, pictures: Pictures
    ) -> dict[str, Any] | None:
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
        return {
            "value": comparison.difference,
            "ci95": list(comparison.ci95) if comparison.ci95 else None,
            "backbone": metric.backbone,
        }

    def _distributions(
        self,
        name: str,
        metric: AbstractMetric,
        extractor: AbstractExtractor,
        pictures: Pictures,
        features: dict[str, np.ndarray],
    ) -> tuple[Comparison, dict[str, Any]]:
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
        if size < 2:
            return comparison, {}
        order = array_stream(self.config.seed, "real vs real").permutation(len(real))
        floor = metric.statistic(real[order[:size]], real[order[size:]])
        facts = {"value": floor, "n": size, "n_reference": len(real) - size}
        return comparison, {"real_vs_real": {name: facts}}

    def _summary(self, name: str, metric: AbstractMetric, comparison: Comparison) -> dict[str, Any]:
        smallest = self.config.smallest_effect[name]
        effect = comparison.minimum_detectable_effect
        return {
            "original": comparison.original,
            "finetuned": comparison.finetuned,
            "difference": comparison.difference,
            "ci95": list(comparison.ci95) if comparison.ci95 else None,
            "p": comparison.p,
            "minimum_detectable_effect": effect if math.isfinite(effect) else None,
            "smallest_effect": smallest,
            "higher_is_better": metric.higher_is_better,
            "backbone": metric.backbone,
            "verdict": verdict(comparison, metric.higher_is_better, smallest),
        }


def per_image_rows(pictures: Pictures, scores: dict[str, Score]) -> list[dict[str, Any]]:
    """One row per prompt, replicate and model, with a column for each per-picture metric."""
    per_picture = {
        name: score for name, score in scores.items() if score.features["original"].shape[2] == 1
    }
    rows = []
    for model in MODELS:
        made = pictures.made[model]
        for i, prompt in enumerate(pictures.prompts):
            for replicate in range(made.shape[1]):
                file = f"images/{model}/{prompt.prompt_id}_{replicate}.png"
                row: dict[str, Any] = {
                    "prompt_id": prompt.prompt_id,
                    "replicate": replicate,
                    "model": model,
                    "sample_id": prompt.sample_id,
                    "caption": prompt.caption,
                    "path": file,
                    "pixel_sha256": hashlib.sha256(made[i, replicate].tobytes()).hexdigest(),
                }
                for name, score in per_picture.items():
                    row[name] = float(score.features[model][i, replicate, 0])
                rows.append(row)
    return rows
