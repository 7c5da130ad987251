import json
from pathlib import Path

import pytest
from datasets import ClassLabel, Dataset, Features, Image, List, Value

from sdexp.dataset.base import SPLITS, AbstractDataset
from sdexp.dataset.hub import Hub
from sdexp.ground.build import build
from sdexp.ground.errors import DataError
from sdexp.launch.compose import compose
from tests.dataset.hubs import row, write_set
from tests.shared import shared


def hub(option: str, folder: Path, *overrides: str) -> Hub:
    """The data set of an option, over a local set."""
    named = [f"dataset={option}", f"dataset.path={folder}/set", f"dataset.data_dir={folder}/data"]
    config = compose("train", ["model=sd14", *named, *overrides]).config
    made = build("dataset", config.dataset, AbstractDataset)
    assert isinstance(made, Hub)
    return made


def captions(made: Hub) -> list[str]:
    opened = [made.open(split) for split in SPLITS]
    return sorted(text for data in opened for k in range(len(data)) for text in data.captions(k))


def test_paintings_of_one_style_are_worded_by_their_labels(tmp_path: Path) -> None:
    labels = json.loads((shared("wikiart_labels") / "wikiart_labels.json").read_text())
    columns = {name: ClassLabel(names=labels[name]) for name in ("artist", "genre", "style")}
    features = Features({"image": Image(), **columns})
    rows = [
        {
            "image": row(k)["image"],
            "artist": (4, 49)[k % 2],
            "genre": 4,
            "style": (20, 12)[k % 3 > 0],
        }
        for k in range(12)
    ]
    file = tmp_path / "set" / "data" / "train-00000-of-00001.parquet"
    file.parent.mkdir(parents=True)
    Dataset.from_list(rows, features=features).to_parquet(file)
    made = hub("wikiart", tmp_path, "dataset.where.style=Impressionism")
    made.check()
    monet = "a painting by claude monet in the style of Impressionism"
    sorolla = "a painting by joaqu\u00edn sorolla in the style of Impressionism"
    assert captions(made) == [monet] * 4 + [sorolla] * 4
    with pytest.raises(DataError, match="dataset.where.style=Impresionism: .* did you mean"):
        hub("wikiart", tmp_path, "dataset.where.style=Impresionism").check()


def test_lists_of_captions_and_damaged_pictures(tmp_path: Path) -> None:
    rows = [row(k, text=[f"first {k}", f"second {k}"]) for k in range(30)]
    rows[3]["image"] = {"bytes": b"no picture", "path": "3.png"}
    rows[4]["text"] = None
    write_set(tmp_path / "set", rows, text=List(Value("string")))
    made = hub("hub", tmp_path, "dataset.max_dropped_fraction=0.1")
    assert len(captions(made)) == 56
    lost = {finding.item: finding.reason for finding in made.open("train").findings.lost}
    assert lost == {
        "0000/000003.jpg": "not a picture; allowed are JPEG, PNG, WEBP, BMP, GIF, TIFF",
        "0000/000004.png": "no caption: a caption is missing",
    }


def test_a_set_with_its_own_test_split(tmp_path: Path) -> None:
    write_set(tmp_path / "set", [row(k) for k in range(10)])
    write_set(tmp_path / "set", [row(k) for k in range(20, 23)], "test")
    made = hub("hub", tmp_path)
    test = made.open("test")
    assert [test.captions(k)[0] for k in range(3)] == ["caption 20", "caption 21", "caption 22"]
    assert len(made.open("train")) + len(made.open("val")) == 10


def test_other_rows_lie_in_another_folder(tmp_path: Path) -> None:
    write_set(tmp_path / "set", [row(k) for k in range(12)])
    one = hub("hub", tmp_path, "+dataset.where.style=Pop_Art")
    other = hub("hub", tmp_path)
    assert one.folder != other.folder and one.folder.name.startswith("set-Pop-Art_")
    assert (len(captions(one)), len(captions(other))) == (4, 12)


def test_once_laid_out_the_set_is_not_needed(tmp_path: Path) -> None:
    write_set(tmp_path / "set", [row(k) for k in range(12)])
    made = hub("hub", tmp_path)
    made.open("train")
    (tmp_path / "set").rename(tmp_path / "gone")
    made.check()
    assert len(captions(made)) == 12


def test_a_folder_is_the_same_however_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_set(tmp_path / "set", [row(k) for k in range(12)])
    monkeypatch.chdir(tmp_path)
    names = {hub("hub", tmp_path, f"dataset.path={p}").folder.name for p in ("set", "./set/")}
    assert names == {hub("hub", tmp_path).folder.name}


def test_splits_that_are_left_out_are_findings(tmp_path: Path) -> None:
    write_set(tmp_path / "set", [row(k) for k in range(12)])
    write_set(tmp_path / "set", [row(k) for k in range(5)], "extra")
    made = hub("hub", tmp_path)
    told = made.fetch()
    assert told[1] == (
        "left out: extra (a split of the set that is neither train, validation nor test)"
    )
    (finding,) = made.open("train").findings.dropped
    assert (finding.item, finding.unit) == ("extra", "row")
    assert not made.open("val").findings.dropped


def test_changed_files_are_told_before_a_run(tmp_path: Path) -> None:
    write_set(tmp_path / "set", [row(k) for k in range(12)])
    made = hub("hub", tmp_path)
    made.fetch()
    write_set(tmp_path / "set", [row(k) for k in range(13)])
    with pytest.raises(DataError, match="its files changed since"):
        made.check()
