"""How often the statistics are wrong: `python scripts/calibration.py [FOLDER [METRIC ...]]`.

Makes one bank of pictures of the embedded original (200 prompts x 8 replicates) and one of a
fine-tuned model, looks at them once with the embedded judges, and draws comparisons of the
default size (64 prompts x 2 replicates) from them:

- A/A, both sides from the original: p below 0.05 must be as rare as it says, and "better" or
  "worse" rarer;
- A/B, the original against a mixture with the fine-tuned: at the number of prompts that the tool
  asks for, the difference must be found;
- the spread between evaluation seeds, from which `smallest_effect` in `conf/metric` is taken;
- the coverage of intervals in simulations with clustered prompts.

What was done in FOLDER (`outputs/calibration`) is not done again.
"""

import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from banks import pictures_of_both, train_shortly

from sdexp.backbone.base import PictureSet
from sdexp.engine.evaluate.asked import Asked
from sdexp.engine.evaluate.features import Features
from sdexp.engine.evaluate.pictures import real_pictures
from sdexp.engine.prompts import choose_prompts, evaluation_data
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.launch.compose import compose
from sdexp.metric.base import AbstractMetric
from sdexp.recipes import Recipes, build_recipes
from sdexp.stats.comparison import SIGNIFICANCE, Comparison, needed, verdict
from sdexp.stats.distances import KernelDistance, cubic_kernel
from sdexp.stats.distribution import compare_distributions
from sdexp.stats.paired import compare_means

PROMPTS, REPLICATES = 200, 8
SIZE = 64
DRAWS = 200
PERMUTATIONS = 199
METRICS = (
    "kid,fd,cmmd,clip_score,lpips_gt,lpips_diversity,dino_similarity,precision,recall,density,"
    "coverage,inception_score"
)
# Of the embedded judges the one for which they are neither 0 nor 1.
OVER_CLIP = ("cmmd", "precision", "recall", "density", "coverage")
CHOSEN = [
    f"metric=[{METRICS}]",
    *(f"metric.{name}.backbone=clip" for name in OVER_CLIP),
    "metric.dino_similarity.backbone=efficientnet_lite0",
    "metric.inception_score.backbone=efficientnet_lite0",
    f"evaluation.num_prompts={PROMPTS}",
    f"evaluation.replicates={REPLICATES}",
    f"dataset.num_test={PROMPTS}",
    "tracker=none",
]


def banks(folder: Path, recipes: Recipes) -> dict[str, dict[str, np.ndarray]]:
    """Features [200, 8, d] by metric of the original and the finetuned, and of real pictures."""
    wanted = {name: folder / f"{name}.npz" for name in recipes.judging.metrics}
    if not all(file.exists() for file in wanted.values()):
        _make(folder, recipes, wanted)
    return {name: dict(np.load(file)) for name, file in wanted.items()}


def _make(folder: Path, recipes: Recipes, wanted: dict[str, Path]) -> None:
    store = Store(folder / "store")
    data = evaluation_data(RunFolder(folder / "run"), recipes)
    prompts = choose_prompts(data, PROMPTS)
    shown = pictures_of_both(folder, recipes, Asked("", prompts, REPLICATES), store)
    real = real_pictures(data, 64)
    captions = [prompt.caption for prompt in prompts for _ in range(REPLICATES)]
    own = real.at([prompt.index for prompt in prompts for _ in range(REPLICATES)])
    sources: dict[str, Features] = {}
    for name, metric in recipes.judging.metrics.items():
        if metric.backbone not in sources:
            started = recipes.judging.backbones[metric.backbone].start("cpu")
            sources[metric.backbone] = Features(started, store, "cpu")
        source = sources[metric.backbone]
        found = {
            side: _looked(metric, source, pictures, captions, own)
            for side, pictures in shown.items()
        }
        found["real"] = _of_real(metric, source, real)
        np.savez(wanted[name], **found)
        print(f"features of {name}: done", flush=True)


def _looked(
    metric: AbstractMetric,
    source: Features,
    pictures: PictureSet,
    captions: list[str],
    own: PictureSet,
) -> np.ndarray:
    """Features [200, 8, d]; of a metric among replicates those of disjoint pairs, [200, 4, 1]."""
    if metric.partner != "replicates":
        return metric.features(source, pictures, captions, own).reshape(PROMPTS, REPLICATES, -1)
    left, right = (pictures.at(range(k, pictures.count, 2)) for k in range(2))
    return metric.features(source, left, captions[::2], right).reshape(PROMPTS, -1, 1)


def _of_real(metric: AbstractMetric, source: Features, real: PictureSet) -> np.ndarray:
    if metric.partner != "distribution":
        return np.empty((0, 1))
    return metric.features(source, real, [], None)


def compared(
    metric: AbstractMetric, a: np.ndarray, b: np.ndarray, real: np.ndarray, rng: np.random.Generator
) -> Comparison:
    """As the evaluation stage compares."""
    if metric.partner == "distribution":
        return compare_distributions(a, b, metric.against(real), rng, PERMUTATIONS)
    return compare_means(a[..., 0], b[..., 0], rng, 999)


def draw(bank: np.ndarray, prompts: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Two disjoint pairs of replicates of these prompts, each [P, 2, d]."""
    order = np.array([rng.permutation(bank.shape[1]) for _ in prompts])
    return [bank[prompts[:, None], order[:, 2 * k : 2 * k + 2]] for k in range(2)]


def same_against_same(metric: AbstractMetric, bank: dict[str, np.ndarray]) -> dict[str, float]:
    """How often nothing passes for something, and the spread between seeds."""
    rng = np.random.default_rng(1)
    results = []
    for _ in range(DRAWS):
        prompts = rng.choice(PROMPTS, SIZE, replace=False)
        a, b = draw(bank["original"], prompts, rng)
        results.append(compared(metric, a, b, bank["real"], rng))
    verdicts = [verdict(one, metric.higher_is_better, metric.matters) for one in results]
    differences = np.array([one.difference for one in results])
    return {
        "value": float(np.mean([one.original for one in results])),
        "false alarms": float(np.mean([one.p < SIGNIFICANCE for one in results])),
        "better or worse": float(np.mean([word in ("better", "worse") for word in verdicts])),
        "seeds": float(differences.std() / 2**0.5),
        "detectable": float(np.median([one.minimum_detectable_effect for one in results])),
        "matters": metric.matters,
    }


def original_against_mixture(
    metric: AbstractMetric, bank: dict[str, np.ndarray]
) -> dict[str, float]:
    """The share of draws that find a difference, at the prompts that the tool asks for."""
    rng = np.random.default_rng(2)
    for share in (1.0, 0.5, 0.25, 0.12, 0.06):
        mixed = _mixed(bank, share, rng)
        pilots = [_pilot(metric, bank, mixed, rng) for _ in range(5)]
        truth = float(np.mean([one.difference for one in pilots]))
        spread = float(np.median([one.error * SIZE**0.5 for one in pilots]))
        count = needed(spread, abs(truth))
        if count is not None and 20 <= count <= PROMPTS:
            found = [_pilot(metric, bank, mixed, rng, count).p < SIGNIFICANCE for _ in range(DRAWS)]
            return {"share": share, "prompts": count, "found": float(np.mean(found))}
    return {}


def _mixed(bank: dict[str, np.ndarray], share: float, rng: np.random.Generator) -> np.ndarray:
    """The original's bank with a share of the prompts from the finetuned's."""
    chosen = rng.random(PROMPTS) < share
    return np.where(chosen[:, None, None], bank["finetuned"], bank["original"])


def _pilot(
    metric: AbstractMetric,
    bank: dict[str, np.ndarray],
    mixed: np.ndarray,
    rng: np.random.Generator,
    count: int = SIZE,
) -> Comparison:
    prompts = rng.choice(PROMPTS, count, replace=False)
    order = np.array([rng.permutation(mixed.shape[1])[:4] for _ in prompts])
    a = bank["original"][prompts[:, None], order[:, :2]]
    b = mixed[prompts[:, None], order[:, 2:]]
    return compared(metric, a, b, bank["real"], rng)


def coverage(prompts: int, draws: int = 1000) -> dict[str, float]:
    """The share of intervals that hold the truth, for clustered prompts, and their contradictions.

    means: per-picture scores of 2 replicates, normal; skewed: exponential prompts; kernel: a
    distance whose truth is the mean over all draws.
    """
    rng = np.random.default_rng(prompts)
    held: dict[str, list[bool]] = {"means": [], "skewed": [], "kernel": []}
    noise: dict[str, Callable[[], np.ndarray]] = {
        "means": lambda: rng.normal(0, 1, (prompts, 1)),
        "skewed": lambda: rng.exponential(1, (prompts, 1)) - 1,
    }
    for name, prompt in noise.items():
        for _ in range(draws):
            scores = 0.5 + prompt() + rng.normal(0, 0.7, (prompts, 2))
            interval = compare_means(np.zeros_like(scores), scores, rng, 999).ci95
            held[name].append(interval is not None and interval[0] <= 0.5 <= interval[1])
    distance = KernelDistance(rng.normal(size=(200, 4)), cubic_kernel)
    found = [_clouds(prompts, distance, rng) for _ in range(draws // 2)]
    truth = np.mean([one.difference for one in found])
    for one in found:
        assert one.ci95 is not None
        held["kernel"].append(bool(one.ci95[0] <= truth <= one.ci95[1]))
    return {name: float(np.mean(values)) for name, values in held.items()}


def _clouds(prompts: int, distance: KernelDistance, rng: np.random.Generator) -> Comparison:
    shared = rng.normal(0, 0.7, (prompts, 1, 4))
    a = shared + rng.normal(0.3, 0.7, (prompts, 2, 4))
    b = shared + rng.normal(0.5, 0.7, (prompts, 2, 4))
    return compare_distributions(a, b, distance, rng, PERMUTATIONS)


def kept(folder: Path, name: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What stands in a file, made where it is not there."""
    file = folder / f"{name}.json"
    if not file.exists():
        file.write_text(json.dumps(make(), indent=1))
        print(f"{name}: done", flush=True)
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs/calibration")
    train_shortly(folder)
    recipes = build_recipes(compose("train", CHOSEN).config)
    found = banks(folder, recipes)
    print("| metric | value | p < 0.05 | better or worse | between seeds | A/B: prompts, found |")
    print("|---|---|---|---|---|---|")
    for name in sys.argv[2:] or recipes.judging.metrics:
        metric = recipes.judging.metrics[name]
        of_metric = (metric, found[name])
        same = kept(folder, f"aa-{name}", partial(same_against_same, *of_metric))
        other = kept(folder, f"ab-{name}", partial(original_against_mixture, *of_metric))
        told = f"{other['prompts']}, {other['found']:.0%}" if other else "-"
        print(
            f"| {name} | {same['value']:.3f} | {same['false alarms']:.1%} | "
            f"{same['better or worse']:.1%} | {same['seeds']:.3f} | {told} |",
            flush=True,
        )
    print("\n| coverage of 95 % intervals, prompts | 8 | 20 | 64 |\n|---|---|---|---|")
    covered = {n: kept(folder, f"coverage-{n}", partial(coverage, n)) for n in (8, 20, 64)}
    for name in ("means", "skewed", "kernel"):
        cells = " | ".join(f"{covered[n][name]:.1%}" for n in (8, 20, 64))
        print(f"| {name} | {cells} |")


if __name__ == "__main__":
    main()
