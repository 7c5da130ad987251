from pathlib import Path

from sdexp.engine.prepare.opened import open_all, twins
from tests.engine.prepare.folders import photos, recipes_of


def test_pictures_that_two_splits_share_are_found(tmp_path: Path) -> None:
    opened = open_all(recipes_of(photos(tmp_path / "photos")).dataset)
    assert [one.name for one in opened] == ["train", "val", "test"]
    assert sum(len(one.places) for one in opened) == 12
    by_name = {one.data.picture_id(place): one.name for one in opened for place in one.places}
    originals = ["chelsea.png", "dog_00.jpg", "dog_02.jpg", "vase_02.jpg"]
    pairs = {
        frozenset((name, f"again_{2 * k + 1}.jpg"))
        for k, name in enumerate(originals)
        if by_name[name] != by_name[f"again_{2 * k + 1}.jpg"]
    }
    found = twins(opened)
    assert pairs
    assert {
        frozenset(split.data.picture_id(place) for split, place in (pair.first, pair.second))
        for pair in found
    } == pairs
    assert [pair.difference for pair in found] == sorted(pair.difference for pair in found)


def test_samples_of_one_picture_are_looked_at_once(tmp_path: Path) -> None:
    folder = photos(tmp_path / "photos")
    lines = (folder / "metadata.jsonl").read_text()
    (folder / "metadata.jsonl").write_text(
        lines + '\n{"file_name": "coffee.png", "text": "a saucer"}'
    )
    opened = open_all(recipes_of(folder, "dataset.sample_unit=caption").dataset)
    names = [one.data.picture_id(place) for one in opened for place in one.places]
    assert len(names) == len(set(names)) == 12
    captions = [one.caption for split in opened for one in split.captioned()]
    assert {"a cup of coffee", "a saucer"} <= set(captions) and len(captions) == 13
