"""The audit of a data set as a page: `audit.html`, self-contained."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdexp.ground.audit_records import LISTED, AuditRecord, PrepareRequest, Shown, Twin
from sdexp.ground.files import write_text
from sdexp.ground.record_files import read_record
from sdexp.ground.run import RunFolder
from sdexp.pages.environment import environment
from sdexp.pages.prepare.figures import histogram
from sdexp.pages.thumbnails import embedded

PURPOSES = {"train": "to train on", "val": "to validate", "test": "to test"}


def write_audit(run: RunFolder) -> None:
    """Write the page from what stands in the folder; raises `DataError`."""
    record = read_record(run.audit, AuditRecord)
    request = read_record(run.request, PrepareRequest)
    template = environment(html=True).get_template("audit.html")
    write_text(run.audit_page, template.render(_values(run, record, request)))


def _values(run: RunFolder, record: AuditRecord, request: PrepareRequest) -> dict[str, Any]:
    counts = {split: facts.pictures for split, facts in record.splits.items()}
    told = ", ".join(f"{count:,} {PURPOSES[split]}" for split, count in counts.items())
    return {
        "title": "Data set",
        "sentence": f"{sum(counts.values()):,} pictures: {told}",
        "warnings": warnings(record),
        "done": record.done,
        "splits": record.splits,
        "resolution": record.resolution,
        "figures": _figures(record),
        "findings": _findings(run, record),
        "sheets": {split: _sheet(run.path, record, split) for split in record.splits},
        "twins": [_pair(run.path, twin) for twin in record.twins],
        "num_twins": record.num_twins,
        "doubts": record.doubts,
        "doubt_counts": record.doubt_counts,
        "num_doubts": sum(record.doubt_counts.values()),
        "command": request.command,
    }


def warnings(record: AuditRecord) -> list[str]:
    """What a person should look at, one line each."""
    lines = [
        f"{split}: {line}" for split, facts in record.splits.items() for line in facts.warnings
    ]
    if record.num_twins:
        lines.append(
            f"{record.num_twins} pairs of pictures look the same and lie in different splits: what "
            "is tested was trained on"
        )
    lines += [
        f"{count} caption{'' if count == 1 else 's'}: {reason}"
        for reason, count in record.doubt_counts.items()
    ]
    return lines


def _figures(record: AuditRecord) -> list[tuple[str, str]]:
    """Title and SVG of each distribution."""
    sides = "Shorter side, pixels"
    ratios = "Width over height"
    words = "Words of a caption"
    return [
        (sides, histogram("sides", sides, record.short_sides, record.resolution)),
        (ratios, histogram("ratios", ratios, record.ratios)),
        (words, histogram("words", words, record.words)),
    ]


def _findings(run: RunFolder, record: AuditRecord) -> list[dict[str, Any]]:
    """The beginning of each table of what was dropped and repaired."""
    tables = []
    for split in record.splits:
        file = run.findings(split)
        if not file.is_file():
            continue
        with file.open(newline="", encoding="utf-8") as opened:
            rows = list(csv.DictReader(opened))
        tables.append(
            {
                "split": split,
                "count": len(rows),
                "rows": rows[:LISTED],
                "file": file.relative_to(run.path).as_posix(),
            }
        )
    return tables


def _sheet(folder: Path, record: AuditRecord, split: str) -> list[Mapping[str, Any]]:
    return [_picture(folder, shown) for shown in record.samples if shown.split == split]


def _picture(folder: Path, shown: Shown) -> dict[str, Any]:
    return {
        "data": embedded(folder / shown.file),
        "name": shown.sample_id,
        "split": shown.split,
        "caption": shown.caption,
    }


def _pair(folder: Path, twin: Twin) -> dict[str, Any]:
    return {
        "both": [_picture(folder, twin.first), _picture(folder, twin.second)],
        "difference": twin.difference,
    }
