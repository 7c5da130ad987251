"""Whole lists beside a page that shows only their beginning."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from sdexp.engine.prepare.opened import Opened, Pair
from sdexp.ground.audit_records import Doubt
from sdexp.ground.csv_texts import csv_text
from sdexp.ground.files import write_text

MANIFEST = "manifest.jsonl"
DOUBTS = "doubts.csv"
TWINS = "twins.csv"


def write_manifest(folder: Path, opened: Iterable[Opened]) -> None:
    """A line for each picture: id, split, width, height, captions."""
    lines = []
    for split in opened:
        captions: dict[str, list[str]] = {}
        for one in split.captioned():
            captions.setdefault(one.sample_id, []).append(one.caption)
        for place in split.places:
            name = split.data.picture_id(place)
            width, height = split.data.size(place)
            row = {
                "sample_id": name,
                "split": split.name,
                "width": width,
                "height": height,
                "captions": captions[name],
            }
            lines.append(json.dumps(row, ensure_ascii=False))
    write_text(folder / MANIFEST, "\n".join(lines) + "\n")


def write_doubts(folder: Path, doubts: Iterable[Doubt]) -> None:
    """A row for each reason to doubt a caption."""
    rows = [[one.split, one.sample_id, one.caption, one.reason] for one in doubts]
    _write(folder / DOUBTS, ["split", "sample_id", "caption", "reason"], rows)


def write_twins(folder: Path, pairs: Iterable[Pair]) -> None:
    """A row for each two pictures of different splits that look the same."""
    rows = [[*_named(*one.first), *_named(*one.second), f"{one.difference:.4f}"] for one in pairs]
    heads = ["first_split", "first_id", "second_split", "second_id", "difference"]
    _write(folder / TWINS, heads, rows)


def _named(split: Opened, place: int) -> tuple[str, str]:
    return split.name, split.data.picture_id(place)


def _write(file: Path, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    if rows:
        write_text(file, csv_text(heads, rows))
