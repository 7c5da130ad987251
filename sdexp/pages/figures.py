"""Curves as SVG, without anything outside the page."""

import io
import math
import re
from collections.abc import Callable
from typing import Any

SMOOTHING = 0.9
# So many are marked one by one.
FEW_POINTS = 30


def loss_curves(train: list[tuple[int, float]], validation: list[tuple[int, float]]) -> str:
    """An SVG element of the losses over optimizer steps; equal numbers give equal bytes."""

    def draw(axes: Any) -> None:
        if train:
            steps, values = zip(*train, strict=True)
            axes.plot(steps, values, color="#8aa4c8", alpha=0.35, linewidth=0.8)
            axes.plot(
                steps, smooth(values), color="#2f6fbf", linewidth=1.8, label="train, smoothed"
            )
        if validation:
            steps, values = zip(*validation, strict=True)
            style = {"marker": "o", "markersize": 4, "color": "#d1662b", "linewidth": 1.8}
            axes.plot(steps, values, label="validation, fixed noise", **style)
        axes.set_xlabel("optimizer step")
        axes.set_ylabel("loss")
        axes.legend(frameon=False)

    return drawn("loss", "Losses over optimizer steps", (8, 3), draw)


def epoch_losses(losses: list[tuple[float, float]]) -> str:
    """An SVG element of the mean training loss of each epoch; losses: (epochs so far, loss)."""
    by_epoch: dict[int, list[float]] = {}
    for passed, value in losses:
        # A hair less, because a whole number of passes ends its epoch.
        by_epoch.setdefault(math.ceil(passed - 1e-6), []).append(value)
    means = [sum(values) / len(values) for values in by_epoch.values()]

    def draw(axes: Any) -> None:
        axes.plot(list(by_epoch), means, marker="o", color="#2f6fbf", linewidth=1.8)
        axes.set_title("Training loss per epoch", fontsize=10)
        axes.set_xlabel("epoch")
        axes.set_ylabel("average loss")
        axes.grid(alpha=0.3)

    return drawn("epochs", "Mean training loss of each epoch", (8, 3), draw)


def curve_panels(name: str, title: str, curves: dict[str, list[tuple[int, float]]]) -> str:
    """An SVG element with a panel for each named curve over optimizer steps."""

    def panel(words: str, points: list[tuple[int, float]]) -> Callable[[Any], None]:
        def draw(axes: Any) -> None:
            marker = "o" if len(points) <= FEW_POINTS else None
            style = {"color": "#2f6fbf", "linewidth": 1.2, "marker": marker, "markersize": 4}
            axes.plot(*zip(*points, strict=True), **style)
            axes.set_title(words, fontsize=10)
            axes.set_xlabel("optimizer step")

        return draw

    size = (2.6 * len(curves), 2.2)
    return drawn(name, title, size, *(panel(words, points) for words, points in curves.items()))


def drawn(name: str, title: str, size: tuple[float, float], *draws: Callable[[Any], None]) -> str:
    """An SVG element with a panel for each of `draws`, side by side.

    name: keeps its ids apart from those of other figures; title: what a reader is told who does not
    see it. Texts are taken as they are: a dollar sign in them begins no formula.
    """
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    settings = {
        "svg.hashsalt": "sdexp",
        "font.size": 10,
        "svg.fonttype": "none",
        "text.parse_math": False,
    }
    with matplotlib.rc_context(settings):
        figure, (panels,) = pyplot.subplots(
            1, len(draws), figsize=size, layout="constrained", squeeze=False
        )
        figure.patch.set_alpha(0)
        for axes, draw in zip(panels, draws, strict=True):
            draw(axes)
            axes.spines[["top", "right"]].set_visible(False)
            axes.patch.set_alpha(0)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Title": title})
        pyplot.close(figure)
    text = buffer.getvalue()
    text = text[text.index("<svg") :].replace("#000000", "currentColor")
    text = text.replace("<svg ", '<svg role="img" ', 1)
    return re.sub(r'( id="|href="#|url\(#)', rf"\g<1>{name}-", text)


def smooth(values: tuple[float, ...]) -> list[float]:
    """Exponential moving average with bias correction."""
    total = 0.0
    weight = 0.0
    result = []
    for value in values:
        total = SMOOTHING * total + (1 - SMOOTHING) * value
        weight = SMOOTHING * weight + 1 - SMOOTHING
        result.append(total / weight)
    return result
