"""What a run notes of itself: its numbers in log.jsonl, its data in run.json."""

from sdexp.dataset.base import OpenDataset
from sdexp.ground.log import LogRow, append_rows, now
from sdexp.ground.records import SplitRecord
from sdexp.ground.run import RunFolder


def log_numbers(
    run: RunFolder, split: str, values: dict[str, float], step: int, epoch: float
) -> None:
    """Numbers of a split ("train", "validation") after `step` optimizer steps."""
    time = now()
    rows = [LogRow(step, epoch, split, name, value, time) for name, value in values.items()]
    append_rows(run.log, rows)


def opened_data(data: OpenDataset) -> SplitRecord:
    """What run.json tells about a split."""
    findings = data.findings
    return SplitRecord(
        pictures=len(data),
        captions=sum(len(data.captions(index)) for index in range(len(data))),
        manifest=data.manifest(),
        dropped=[(finding.item, finding.reason) for finding in findings.dropped],
        repaired=[(finding.item, finding.reason) for finding in findings.repaired],
    )
