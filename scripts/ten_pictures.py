"""What ten pictures can say, from published numbers: `python scripts/ten_pictures.py`.

A fine-tuning of Stable Diffusion 1.5 on Unsplash-lite (ovshake/finetune-sd, commit c8005a0)
reports LPIPS over ten pictures of the original and of the fine-tuned model, and for the original
each picture's own. The pictures of the two models have no common noise. `docs/ten_pictures.md`
tells what follows.
"""

import math
import statistics

import numpy as np
from scipy.stats import t as student

from sdexp.stats.comparison import Comparison, detectable, needed, verdict
from sdexp.stats.distances import FrechetDistance

ORIGINAL = (0.810, 0.820, 0.773, 0.657, 0.737, 0.643, 0.719, 0.701, 0.665, 0.618)
FINETUNED_MEAN = 0.686741
SMALLEST_EFFECT = 0.021
CORRELATIONS = (0.0, 0.5, 0.9)


def compared(correlation: float) -> Comparison:
    """The comparison, if the scores of a picture by both models were correlated so much.

    The finetuned scores are taken to spread as the original's do, and p and interval are those of
    the t test, because the pairs themselves were not published.
    """
    count = len(ORIGINAL)
    spread = statistics.stdev(ORIGINAL) * math.sqrt(2 * (1 - correlation))
    error = spread / math.sqrt(count)
    before = statistics.fmean(ORIGINAL)
    difference = FINETUNED_MEAN - before
    p = float(2 * student.sf(abs(difference) / error, count - 1))
    reach = float(student.ppf(0.975, count - 1)) * error
    interval = (difference - reach, difference + reach)
    return Comparison(before, FINETUNED_MEAN, difference, interval, p, 2 / 2**count, error, count)


def chance_of_fid(total: float, draws: int = 300) -> tuple[float, float]:
    """Mean FID of ten pictures, and the spread of the difference, where the models are equal.

    Pictures are 2,048 Gaussian numbers whose variances fall as 1 / k and sum to `total`.
    """
    rng = np.random.default_rng(0)
    scale = np.sqrt(1 / np.arange(1, 2049))
    scale *= math.sqrt(total / np.sum(scale**2))
    values = []
    for _ in range(draws):
        real, first, second = (rng.normal(size=(len(ORIGINAL), 2048)) * scale for _ in range(3))
        distance = FrechetDistance(real)
        values.append((distance(first), distance(second)))
    found = np.array(values)
    return float(found.mean()), float((found[:, 1] - found[:, 0]).std())


def main() -> None:
    heads = "correlation", "difference", "95 % interval", "p", "detectable", "verdict", "needed"
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for correlation in CORRELATIONS:
        one = compared(correlation)
        assert one.ci95 is not None
        spread = one.error * math.sqrt(one.prompts)
        wanted = f"{needed(spread, abs(one.difference))} / {needed(spread, SMALLEST_EFFECT)}"
        print(
            f"| {correlation} | {one.difference:+.3f} | {one.ci95[0]:+.3f} to {one.ci95[1]:+.3f} | "
            f"{one.p:.2f} | {detectable(one.error, one.prompts):.3f} | "
            f"{verdict(one, False, SMALLEST_EFFECT)} | {wanted} |"
        )
    for total in (120.0, 200.0):
        mean, spread = chance_of_fid(total)
        print(f"equal models, variance {total:.0f}: FID {mean:.0f}, difference 0 +- {spread:.1f}")


if __name__ == "__main__":
    main()
