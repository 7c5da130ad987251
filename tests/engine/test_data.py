"""The data of a run: splits that stay, and losses that are told."""

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdexp.engine.data import (
    describe_data,
    keep_splits,
    kept_splits,
    note_data,
    open_data,
    trained_on,
)
from sdexp.ground.errors import DataError
from sdexp.ground.records import RunRecord
from sdexp.ground.run import RunFolder
from sdexp.launch.compose import compose
from sdexp.recipes import build_recipes
from tests.finetune.pocket import original


def folder(root: Path, count: int, caption: str = "a red circle") -> Path:
    root.mkdir()
    rows = []
    for k in range(count):
        Image.new("RGB", (64, 40 + k), (k, 90, 200 - k)).save(root / f"{k:02d}.png")
        rows.append({"file_name": f"{k:02d}.png", "text": f"{caption} {k}"})
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return root


@pytest.fixture
def words(tmp_path: Path) -> list[str]:
    place = folder(tmp_path / "pictures", 30)
    return ["dataset=imagefolder", f"dataset.data_dir={place}", "model=pocket", "evaluation=none"]


def ids(data: Any) -> list[str]:
    return [data.sample_id(k) for k in range(len(data))]


def test_a_run_keeps_its_splits(tmp_path: Path, words: list[str]) -> None:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    made = build_recipes(compose("train", words).config)
    assert kept_splits(run) is None
    first = {split: ids(open_data(run, made, split)) for split in ("train", "val", "test")}
    keep_splits(run, made)
    for name in first["test"][:2]:
        (tmp_path / "pictures" / name).unlink()
    rows = (tmp_path / "pictures" / "metadata.jsonl").read_text().splitlines()
    left = [row for row in rows if json.loads(row)["file_name"] not in first["test"][:2]]
    (tmp_path / "pictures" / "metadata.jsonl").write_text("\n".join(left))
    # Cut anew, a picture that was trained on would be tested.
    assert not set(ids(made.dataset.open("test"))) <= set(first["test"])
    keep_splits(run, made)
    after = open_data(run, made, "test")
    assert ids(after) == first["test"][2:]
    assert [f.item for f in after.findings.lost] == first["test"][:2]
    assert ids(open_data(run, made, "train")) == first["train"]
    run.splits.write_text("{}")
    with pytest.raises(DataError, match="splits.json: damaged"):
        open_data(run, made, "test")


def test_what_is_lost_is_told_and_listed(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for k in range(3):
        (tmp_path / "pictures" / f"{k:02d}.png").write_bytes(b"" if k else b"<html>")
    Image.new("L", (64, 64)).save(tmp_path / "pictures" / "09.png")
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    data = open_data(
        run,
        build_recipes(compose("train", [*words, "dataset.max_dropped_fraction=0.2"]).config),
        "train",
    )
    record = note_data(run, "train", data, original(), 64)
    assert record.lost == 3 and record.pictures == len(data)
    assert record.dropped == {"the file is empty": 2, "this is a web page, not the picture": 1}
    told = capsys.readouterr().out.splitlines()
    assert told[0] == (
        f"warning: data train: 3 pictures dropped, {len(data)} pictures are left (2: the file is "
        "empty; 1: this is a web page, not the picture)"
    )
    lines = run.findings("train").read_text().splitlines()
    assert lines[0] == "what,unit,item,reason"
    assert "dropped,picture,01.png,the file is empty" in lines
    enlarged = sum(min(data.size(k)) < 64 for k in range(len(data)))
    assert f"{enlarged} of {len(data)} pictures are smaller than the resolution" in told[1]


def test_captions_that_are_cut_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    place = folder(tmp_path / "long", 20, " ".join(["a big red heart above"] * 60))
    with (place / "metadata.jsonl").open("a") as file:
        file.write('\n{"file_name": "00.png", "text": "a heart"}')
    words = ["dataset=imagefolder", f"dataset.data_dir={place}", "model=pocket", "evaluation=none"]
    made = build_recipes(compose("train", words).config)
    record = describe_data(made.dataset.open("train"), original().overlong, 32)
    assert record.overlong == record.pictures and record.enlarged == 0
    assert record.warnings == [
        f"{record.overlong} of {record.captions} captions are longer than the text encoder reads; "
        "the rest of them is cut off"
    ]
    assert "longer than" not in caplog.text


def test_given_weights_tell_what_they_were_trained_on(tmp_path: Path, words: list[str]) -> None:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    made = build_recipes(compose("train", words).config)
    keep_splits(run, made)
    kept = kept_splits(run) or {}
    ids = sorted(kept)
    assert trained_on([run.weights / "x.safetensors"], ids) == []
    run.write_record(RunRecord())
    file = run.weights / "unet" / "x.safetensors"
    assert trained_on([file], ids) == [name for name in ids if kept[name] == "train"]
    assert trained_on([tmp_path / "x.safetensors"], ids) == trained_on([], ids) == []
