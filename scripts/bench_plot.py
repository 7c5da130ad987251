"""The plot of `bench.py`: how many times as fast, with the range of the rounds."""

import statistics
from pathlib import Path


def draw(ratios: dict[str, list[float]], file: Path) -> None:
    """Bars by title from the top down; a line where both sides are equal."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    medians = [statistics.median(rounds) for rounds in ratios.values()]
    pairs = list(zip(medians, ratios.values(), strict=True))
    lower = [middle - min(rounds) for middle, rounds in pairs]
    upper = [max(rounds) - middle for middle, rounds in pairs]
    figure, axes = pyplot.subplots(figsize=(9, 0.5 * len(ratios) + 1), layout="constrained")
    axes.barh(list(ratios), medians, xerr=[lower, upper], color="#2f6fbf", ecolor="#333333")
    axes.axvline(1, color="#d1662b", linewidth=1.2)
    axes.invert_yaxis()
    axes.set_xlabel("times as good as diffusers' script")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, metadata={"Date": None})
