"""Where a run's numbers go: always log.jsonl, beside it the trackers."""

import sys
from collections.abc import Mapping
from typing import Any

from PIL import Image

from sdexp.dataset.base import OpenDataset
from sdexp.ground.log import LogRow, append_rows, now, read_log
from sdexp.ground.records import SplitRecord
from sdexp.ground.run import RunFolder
from sdexp.tracker.background import Trackers
from sdexp.tracker.base import AbstractTracker


class Recorder:
    """Speaks in the main process only; everywhere else every call does nothing."""

    def __init__(
        self,
        run: RunFolder,
        trackers: Mapping[str, AbstractTracker],
        config: dict[str, Any],
        job_type: str,
        is_main: bool,
    ) -> None:
        self.log = run.log
        self.trackers = Trackers(trackers, run, config, job_type) if is_main else None

    def scalars(self, split: str, values: dict[str, float], step: int, epoch: float) -> None:
        """Numbers of a split ("train", "validation") after `step` optimizer steps."""
        if self.trackers is None:
            return
        time = now()
        rows = [LogRow(step, epoch, split, name, value, time) for name, value in values.items()]
        append_rows(self.log, rows)
        self.trackers.log({f"{split}/{name}": value for name, value in values.items()}, step)

    def tracked(self, group: str, values: dict[str, float]) -> None:
        """Numbers about the trained model that stand in another file, for the trackers only."""
        if self.trackers is not None:
            named = {f"{group}/{name}": value for name, value in values.items()}
            self.trackers.log(named, read_log(self.log).last_step)

    def images(self, name: str, images: list[tuple[str, Image.Image]], step: int) -> None:
        if self.trackers is not None:
            self.trackers.log_images(name, images, step)

    def table(self, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        if self.trackers is not None:
            self.trackers.log_table(name, columns, rows)

    def close(self) -> None:
        if self.trackers is not None:
            self.trackers.close(failed=sys.exc_info()[0] is not None)


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
