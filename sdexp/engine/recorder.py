"""What a run notes of itself: its numbers in log.jsonl."""

from sdexp.ground.log import LogRow, append_rows, now
from sdexp.ground.run import RunFolder


def log_numbers(
    run: RunFolder, split: str, values: dict[str, float], step: int, epoch: float
) -> None:
    """Numbers of a split ("train", "validation") after `step` optimizer steps."""
    time = now()
    rows = [LogRow(step, epoch, split, name, value, time) for name, value in values.items()]
    append_rows(run.log, rows)
