from pathlib import Path

import pytest

from sdexp.ground.errors import DataError
from sdexp.ground.folders import Fit, FoldersConfig, picture_files


def test_what_was_named_and_what_is_done_to_it() -> None:
    folders = FoldersConfig("a", "b", None, 256, Fit.squash)
    assert folders.named == {"original": "a", "finetuned": "b"}
    assert folders.words == "squashed to 256 pixels, bilinear with antialiasing"
    assert "cropped at the centre to 9 pixels" in FoldersConfig("a", "b", "c", 9, Fit.crop).words
    with pytest.raises(ValueError, match="pictures.resolution=0: allowed is 1 or more"):
        FoldersConfig("a", "b", None, 0, Fit.crop)


def test_pictures_go_by_their_names(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "captions.json", "c.webp"):
        (tmp_path / name).touch()
    assert list(picture_files(tmp_path)) == ["a", "b", "c"]


def test_two_pictures_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a.png", "b.jpg", "b.png"):
        (tmp_path / name).touch()
    with pytest.raises(DataError, match="b.jpg and b.png have one name"):
        picture_files(tmp_path)
