"""Distributions of a data set as SVG."""

from collections.abc import Mapping
from typing import Any

from sdexp.pages.figures import drawn

MOST_BARS = 30


def histogram(
    name: str, title: str, counts: Mapping[int, int] | Mapping[float, int], mark: float = 0
) -> str:
    """An SVG element of how often values stand there; a line at `mark` unless it is 0."""
    import numpy as np

    values = np.array(list(counts), np.float64)
    weights = np.array(list(counts.values()))
    spread = float(np.ptp(values))

    def draw(axes: Any) -> None:
        bars = max(1, min(MOST_BARS, len(values)))
        low = float(values.min()) - (0 if spread else 0.5)
        high = float(values.max()) + (0 if spread else 0.5)
        axes.hist(values, bins=bars, range=(low, high), weights=weights, color="#2f6fbf")
        if mark:
            axes.axvline(mark, color="#d1662b", linewidth=1.8)
        axes.margins(x=0.02)

    return drawn(name, title, (3.6, 2.2), draw)
