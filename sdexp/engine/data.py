"""The data of a run: splits as it cut them first, and what was lost of them."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from sdexp.dataset.base import SPLITS, Finding, Kept, OpenDataset
from sdexp.dataset.splits import kind_of
from sdexp.dataset.words import open_samples
from sdexp.ground.csv_texts import csv_text
from sdexp.ground.errors import DataError
from sdexp.ground.files import write_text
from sdexp.ground.progress import say
from sdexp.ground.records import SplitRecord
from sdexp.ground.run import EvaluationFolder, RunFolder
from sdexp.model.base import LoadedModel
from sdexp.recipes import Recipes

COLUMNS = ("what", "unit", "item", "reason")


def open_data(run: RunFolder, recipes: Recipes, split: str) -> OpenDataset:
    """A split as the run cut it, whatever pictures came or went since.

    Raises `DataError` where nothing of it is left.
    """
    return open_samples(recipes.dataset, split, kept_splits(run))


def kept_splits(run: RunFolder) -> Kept | None:
    """Split by id of a picture; None before the run has cut any. Raises `DataError`."""
    if not run.splits.is_file():
        return None
    try:
        by_split: dict[str, list[str]] = json.loads(run.splits.read_text())
        return {name: split for split in SPLITS for name in by_split[split]}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{run.splits}: damaged ({error}); put it back, or the splits of the run are not known"
        ) from error


def keep_splits(run: RunFolder, recipes: Recipes) -> None:
    """Note which picture belongs to which split, the first time."""
    if run.splits.is_file():
        return
    opened = {split: recipes.dataset.open(split) for split in SPLITS}
    by_split = {
        split: list(dict.fromkeys(data.picture_id(k) for k in range(len(data))))
        for split, data in opened.items()
    }
    write_text(run.splits, f"{json.dumps(by_split, indent=0)}\n")


def trained_on(files: list[Path], ids: list[str]) -> list[str]:
    """Those pictures that the run which given weights belong to was trained on."""
    runs = {folder for file in files for folder in file.absolute().parents}
    seen: set[str] = set()
    for folder in runs:
        if not RunFolder(folder).record.is_file():
            continue
        kept = kept_splits(RunFolder(folder)) or {}
        seen |= {name for name, split in kept.items() if split == "train"}
    return [name for name in ids if name in seen]


def note_data(
    folder: EvaluationFolder, split: str, data: OpenDataset, model: LoadedModel, resolution: int
) -> SplitRecord:
    """A split in numbers, which are told; every finding goes into a table in the folder."""
    write_findings(folder, split, data)
    record = describe_data(data, model.overlong, resolution)
    for line in record.warnings:
        say(f"warning: data {split}: {line}")
    return record


def write_findings(folder: EvaluationFolder, split: str, data: OpenDataset) -> None:
    """What was dropped and repaired of a split, as a table; none where nothing was."""
    told = {"dropped": data.findings.dropped, "repaired": data.findings.repaired}
    rows = [
        [what, finding.unit, finding.item, finding.reason]
        for what, findings in told.items()
        for finding in findings
    ]
    if rows:
        write_text(folder.findings(split), csv_text(COLUMNS, rows))
    else:
        folder.findings(split).unlink(missing_ok=True)


def describe_data(
    data: OpenDataset, overlong: Callable[[list[str]], int], resolution: int
) -> SplitRecord:
    """A split in numbers; overlong: how many captions a model reads only the beginning of."""
    places = range(len(data))
    sizes = {data.picture_id(index): data.size(index) for index in places}
    # Several samples may be of one picture.
    said = {(data.picture_id(k), caption): None for k in places for caption in data.captions(k)}
    captions = [caption for _, caption in said]
    return SplitRecord(
        pictures=len(sizes),
        captions=len(captions),
        manifest=data.manifest(),
        lost=len(data.findings.lost),
        dropped=_counts(data.findings.dropped),
        repaired=_counts(data.findings.repaired),
        enlarged=sum(min(size) < resolution for size in sizes.values()),
        overlong=overlong(captions),
    )


def _counts(findings: list[Finding]) -> dict[str, int]:
    return dict(Counter(kind_of(finding.reason) for finding in findings).most_common())
