import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from sdexp.dataset.base import Finding, Findings
from sdexp.dataset.captions import Entry, Listing
from sdexp.dataset.files import open_split
from sdexp.dataset.splits import SplitRules
from sdexp.ground.errors import DataError

RULES = SplitRules(0.1, 0.1, 1.0)


def entries(folder: Path, count: int, home: str = "train") -> list[Entry]:
    made = []
    for k in range(count):
        path = folder / f"{home}{k:02d}.png"
        Image.new("RGB", (8, 6), (k, 0, 0)).save(path)
        made.append(Entry(path.name, path, (f"picture {k}", "a picture"), home))
    return made


def open_all(listing: Listing) -> dict:
    return {split: open_split("x", listing, split, RULES) for split in ("train", "val", "test")}


def ids(dataset) -> list[str]:
    return [dataset.sample_id(index) for index in range(len(dataset))]


def test_samples_and_manifest(tmp_path: Path) -> None:
    listing = Listing(entries(tmp_path, 12))
    dataset = open_all(listing)["train"]
    assert len(dataset) == 9 and ids(dataset) == sorted(ids(dataset))
    sample = dataset[3]
    assert sample.sample_id == dataset.sample_id(3) and sample.captions == dataset.captions(3)
    assert sample.image.size == (8, 6) and sample.image.mode == "RGB"
    manifest = dataset.manifest()
    assert manifest == open_all(listing)["train"].manifest()
    Image.new("RGB", (8, 6), "white").save(tmp_path / sample.sample_id)
    assert open_all(listing)["train"].manifest() != manifest


def test_a_copy_in_another_process_reads_the_same(tmp_path: Path) -> None:
    dataset = open_all(Listing(entries(tmp_path, 5)))["train"]
    copy = pickle.loads(pickle.dumps(dataset))
    assert copy.manifest() == dataset.manifest() and copy.findings == dataset.findings
    assert copy[0].image.tobytes() == dataset[0].image.tobytes()


def test_each_finding_is_named_by_one_split(tmp_path: Path) -> None:
    made = entries(tmp_path, 12)
    for entry in made:
        Image.new("L", (8, 6)).save(entry.path)
    for entry in made[:4]:
        entry.path.write_bytes(b"")
    findings = Findings([Finding("gone.png", "no such file")], [Finding("a.png", "merged")])
    opened = open_all(Listing(made, findings))
    assert sum(len(dataset) for dataset in opened.values()) == 8
    dropped = [finding.item for dataset in opened.values() for finding in dataset.findings.dropped]
    assert dropped == ["gone.png", *(entry.sample_id for entry in made[:4])]
    assert opened["train"].findings.dropped[1].reason == "the file is empty"
    grey = [f.item for d in opened.values() for f in d.findings.repaired if "grey" in f.reason]
    assert sorted(grey) == [entry.sample_id for entry in made[4:]]
    for dataset in opened.values():
        assert {f.item for f in dataset.findings.repaired} <= {*ids(dataset), "a.png"}


def test_damaged_files_never_empty_a_split(tmp_path: Path) -> None:
    made = entries(tmp_path, 10)
    before = open_all(Listing(made))
    (tmp_path / ids(before["val"])[0]).write_bytes(b"")
    (tmp_path / ids(before["test"])[0]).write_bytes(b"")
    assert [len(dataset) for dataset in open_all(Listing(made)).values()] == [5, 1, 2]


def test_a_split_with_its_own_folder_is_used_as_it_is(tmp_path: Path) -> None:
    made = [*entries(tmp_path, 6), *entries(tmp_path, 3, "val")]
    opened = open_all(Listing(made, homes=frozenset({"train", "val"})))
    assert ids(opened["val"]) == ["val00.png", "val01.png", "val02.png"]
    assert len(opened["train"]) == 4 and len(opened["test"]) == 2


def test_too_few_pictures(tmp_path: Path) -> None:
    made = entries(tmp_path, 3)
    made[0].path.write_bytes(b"")
    with pytest.raises(DataError, match=r"x: only 2 picture\(s\) are left of 3, .*train00.png"):
        open_split("x", Listing(made), "train", RULES)
    for entry in made:
        entry.path.write_bytes(b"")
    with pytest.raises(DataError, match="x: no picture is left of 3, .*the file is empty"):
        open_split("x", Listing(made), "val", RULES)


def test_a_file_removed_later_is_an_error(tmp_path: Path) -> None:
    dataset = open_all(Listing(entries(tmp_path, 3)))["train"]
    (tmp_path / dataset.sample_id(0)).unlink()
    with pytest.raises(DataError, match="when the data set was opened"):
        dataset[0]


def by_split(listing: Listing) -> dict[str, str]:
    return {name: split for split, data in open_all(listing).items() for name in ids(data)}


def test_a_split_once_cut_stays(tmp_path: Path) -> None:
    """Pictures that come or go move no other one."""
    made = entries(tmp_path, 30)
    kept = by_split(Listing(made))
    test = [name for name, split in kept.items() if split == "test"]
    (tmp_path / test[0]).unlink()
    more = [*made, *entries(tmp_path, 5, "new")]
    later = Listing([Entry(e.sample_id, e.path, e.captions) for e in more])
    opened = {s: open_split("x", later, s, RULES, kept) for s in ("train", "val", "test")}
    assert ids(opened["test"]) == test[1:]
    for split in ("train", "val"):
        assert ids(opened[split]) == [name for name, home in kept.items() if home == split]
    (lost,) = opened["test"].findings.lost
    assert (lost.item, lost.reason) == (test[0], "No such file or directory")
    late = [f for f in opened["train"].findings.dropped if "came after" in f.reason]
    assert [f.item for f in late] == [f"new{k:02d}.png" for k in range(5)]
    for name in test:
        (tmp_path / name).unlink(missing_ok=True)
    with pytest.raises(DataError, match="no picture is left of 3, and test needs at least one"):
        open_split("x", later, "test", RULES, kept)


def test_too_many_damaged_files_are_refused(tmp_path: Path) -> None:
    made = entries(tmp_path, 20)
    for entry in made[:2]:
        entry.path.write_bytes(b"")
    strict = SplitRules(0.1, 0.1, 0.05)
    with pytest.raises(DataError, match=r"2 of 20 pictures would be dropped \(2: the file"):
        open_split("x", Listing(made), "test", strict)
    made[0].path.write_bytes(made[5].path.read_bytes())
    assert len(open_split("x", Listing(made), "test", strict)) == 2


def test_repeats_are_seen_in_training_alone(tmp_path: Path) -> None:
    made = [replace(entry, repeats=3) for entry in entries(tmp_path, 6)]
    opened = open_all(Listing(made))
    assert [len(data) for data in opened.values()] == [9, 1, 2]
    train = opened["train"]
    assert ids(train)[:3] == [
        train.picture_id(0),
        f"{train.picture_id(0)}#2",
        f"{train.picture_id(0)}#3",
    ]
