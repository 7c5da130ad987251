"""What difference so many prompts would find."""

from dataclasses import dataclass

from sdexp.ground.score_records import MetricRecord, ScoresRecord
from sdexp.stats.comparison import LEAST_PROMPTS, detectable

# Prompts of the columns, beside those that were asked.
COUNTS = (8, 16, 32, 64, 128, 256, 512, 1024)


@dataclass(frozen=True)
class PowerLine:
    """A metric: by number of prompts its detectable difference and whether that is enough."""

    name: str
    smallest_effect: float
    cells: list[tuple[float, bool]]
    needed: int | None


@dataclass(frozen=True)
class PowerTable:
    """counts: the prompts of each column; asked: those of this evaluation."""

    counts: list[int]
    asked: int
    lines: list[PowerLine]


def power_table(scores: ScoresRecord) -> PowerTable | None:
    """Metrics whose spread over prompts is known; None where no metric's is."""
    asked = scores.n_prompts
    counts = sorted({*COUNTS, asked})
    lines = [
        _line(name, metric, asked, counts)
        for name, metric in scores.metrics.items()
        if metric.minimum_detectable_effect is not None and asked >= LEAST_PROMPTS
    ]
    return PowerTable(counts, asked, lines) if lines else None


def _line(name: str, metric: MetricRecord, asked: int, counts: list[int]) -> PowerLine:
    """The spread of a prompt follows from what was detectable; the mean's falls with sqrt(N)."""
    found = metric.minimum_detectable_effect
    assert found is not None
    spread = found / detectable(1.0, asked) * asked**0.5
    effects = [detectable(spread / count**0.5, count) for count in counts]
    cells = [(effect, effect <= metric.smallest_effect) for effect in effects]
    return PowerLine(name, metric.smallest_effect, cells, metric.needed_prompts)
