from pathlib import Path

import pytest
from PIL import Image

from sdexp.dataset.base import Finding
from sdexp.dataset.flickr30k import Flickr30k
from sdexp.ground.errors import DataError

BROKEN = "2199200615.jpg"


def write(root: Path, table: Path, pictures: Path) -> Path:
    """Five pictures, of which one has the published broken row."""
    names = [BROKEN, *(f"{k}.jpg" for k in range(4))]
    lines = ["image_name| comment_number| comment"]
    (root / pictures).mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", (16, 12)).save(root / pictures / name)
        lines += [f'{name}| {n}|  The " white out " of {n} | {name} .' for n in range(4)]
        last = "   A dog runs across the grass ." if name == BROKEN else "| A dog ."
        lines.append(f"{name}| 4{last}")
    lines += [f"gone.jpg| {n}| Nothing {n} ." for n in range(5)] + ["what is this"]
    (root / table).write_text("\n".join(lines) + "\n")
    return root


@pytest.mark.parametrize(
    ("table", "pictures"),
    [
        ("results.csv", "flickr30k_images"),
        ("results.csv", "."),
        ("flickr30k_images/results.csv", "flickr30k_images/flickr30k_images"),
    ],
)
def test_rows_become_five_captions_for_each_picture(
    tmp_path: Path, table: str, pictures: str
) -> None:
    recipe = Flickr30k(str(write(tmp_path, Path(table), Path(pictures))))
    recipe.check()
    opened = [recipe.open(split) for split in ("train", "val", "test")]
    assert [len(dataset) for dataset in opened] == [2, 1, 2]
    captions = {d.sample_id(i): d.captions(i) for d in opened for i in range(len(d))}
    assert all(len(set(five)) == 5 for five in captions.values())
    assert captions["1.jpg"][0] == 'The " white out " of 0 | 1.jpg .'
    assert captions[BROKEN][4] == "A dog runs across the grass ."
    findings = opened[0].findings
    assert findings.repaired == [Finding("results.csv:6", "the second delimiter was missing")]
    assert [f.item for f in findings.dropped] == ["results.csv:32", "gone.jpg"]
    assert opened[0][0].image.size == (16, 12)


def test_check_says_what_to_put_where(tmp_path: Path) -> None:
    recipe = Flickr30k(str(tmp_path / "data"))
    with pytest.raises(DataError) as caught:
        recipe.check()
    assert str(caught.value) == (
        f"dataset.data_dir={tmp_path / 'data'}: the folder does not exist; put results.csv and "
        "the flickr30k_images folder there, or set dataset.data_dir=..."
    )
    (tmp_path / "data").mkdir()
    with pytest.raises(DataError, match="results.csv is missing; put it there"):
        recipe.check()
    (tmp_path / "data" / "results.csv").write_text("")
    with pytest.raises(DataError, match="no .jpg in it; put the flickr30k_images folder there"):
        recipe.check()


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="dataset.data_dir=''"):
        Flickr30k("")
    with pytest.raises(ValueError, match="dataset.test_fraction=2"):
        Flickr30k("x", test_fraction=2)
