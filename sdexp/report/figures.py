"""Curves as SVG and thumbnails as data, both without anything outside the page."""

import base64
import io
from pathlib import Path

THUMBNAIL = 256
SMOOTHING = 0.9


def loss_curves(train: list[tuple[int, float]], validation: list[tuple[int, float]]) -> str:
    """An SVG element of the losses over optimizer steps; equal numbers give equal bytes."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    settings = {"svg.hashsalt": "sdexp", "font.size": 10, "svg.fonttype": "none"}
    with matplotlib.rc_context(settings):
        figure, axes = pyplot.subplots(figsize=(8, 3), layout="constrained")
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
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
        figure.patch.set_alpha(0)
        axes.patch.set_alpha(0)
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
        pyplot.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :].replace("#000000", "currentColor")


def smooth(values: tuple[float, ...]) -> list[float]:
    """Exponential moving average with bias correction."""
    total, weight, result = 0.0, 0.0, []
    for value in values:
        total = SMOOTHING * total + (1 - SMOOTHING) * value
        weight = SMOOTHING * weight + 1 - SMOOTHING
        result.append(total / weight)
    return result


def thumbnail(file: Path) -> str:
    """A PNG data address of at most 256 pixels a side; small pictures keep every pixel."""
    from PIL import Image

    with Image.open(file) as image:
        image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
