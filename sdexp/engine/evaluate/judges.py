"""Whether the judges can judge, found out before the first picture is made."""

import numpy as np

from sdexp.backbone.base import AbstractBackbone, PictureSet
from sdexp.engine.evaluate.features import Features
from sdexp.ground.errors import DataError
from sdexp.ground.store import Store
from sdexp.metric.base import AbstractMetric
from sdexp.metric.judging import Judging

NUM_PROMPTS = "evaluation.num_prompts"


def check_judges(
    judging: Judging, store: Store, device: str, side: int, prompts: int, real: int
) -> None:
    """Count what each metric will be given, and show each backbone blank pictures.

    side: pixels of the pictures; prompts, real: how many there will be. Raises `DataError` with a
    line for each metric that has too few, and each backbone that is damaged, not whole, or blind
    for such pictures.
    """
    lines = _shortages(judging, NUM_PROMPTS, prompts, real)
    lines += [_fault(n, judging.backbones[n], store, device, side) for n in judging.used]
    _raise([line for line in lines if line])


def check_counts(judging: Judging, key: str, prompts: int, real: int) -> None:
    """Raise `DataError` with a line for each metric that would have too few pictures.

    key: what a person raises for more prompts.
    """
    _raise(_shortages(judging, key, prompts, real))


def _raise(lines: list[str]) -> None:
    if lines:
        raise DataError("\n".join(lines))


def _shortages(judging: Judging, key: str, prompts: int, real: int) -> list[str]:
    made = prompts * judging.evaluation.replicates
    told = {n: _shortage(n, m, made, prompts, real) for n, m in judging.metrics.items()}
    lines = [line.format(key=key) for line in told.values() if line]
    enough = [name for name, line in told.items() if not line]
    if lines and enough:
        lines.append(f"for metric=[{','.join(enough)}] there are enough")
    return lines


def _shortage(name: str, metric: AbstractMetric, made: int, prompts: int, real: int) -> str:
    if metric.partner == "replicates" and made == prompts:
        return (
            f"metric.{name}: compares the pictures of one prompt; set evaluation.replicates to 2 "
            "or more or leave the metric out"
        )
    least = metric.least()
    if min(made, real) >= least:
        return ""
    more = f"add {least - real} real ones to the split" if real < least else ""
    raised = "raise {key}" if made < least and real > prompts else ""
    remedy = " and ".join(filter(None, [more, raised])) or "raise evaluation.replicates"
    return (
        f"metric.{name}: needs {least} pictures on both sides, there are {made} generated and "
        f"{real} real ones; {remedy}, or leave the metric out"
    )


def _fault(name: str, backbone: AbstractBackbone, store: Store, device: str, side: int) -> str:
    blank = PictureSet.of(np.zeros((2, side, side, 3), np.uint8))
    try:
        source = Features(backbone.start(device), store, device)
        if "images" in backbone.gives:
            source.images(blank)
        if "classes" in backbone.gives:
            source.classes(blank)
        if "texts" in backbone.gives:
            source.texts(["a picture"])
        if "pairs" in backbone.gives:
            source.pairs(blank, blank)
    except DataError as error:
        return str(error)
    except ValueError as error:
        return f"backbone.{name}: {error}"
    return ""
