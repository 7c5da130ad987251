from pathlib import Path

import numpy as np

from sdexp.engine.generate.sheet import GAP, LINE
from sdexp.engine.generate.sheets import Sheets
from sdexp.engine.images import read_png, save_png
from sdexp.ground.picture_requests import FINETUNED, ORIGINAL, Variant


def made(folder: Path, prompts: list[str], seeds: list[int], *variants: Variant) -> Sheets:
    """A layout whose pictures are areas of a grey of their own."""
    sheets = Sheets(folder, variants, prompts, seeds)
    for column, variant in enumerate(variants):
        for place in range(len(sheets.wanted)):
            grey = 10 * column + place + 1
            save_png(np.full((256, 256, 3), grey, np.uint8), sheets.file(variant, place))
    return sheets


def greys(file: Path, columns: int, rows: int) -> list[list[int]]:
    """What stands in the middle of each place of a sheet."""
    sheet = read_png(file)
    tops = [LINE + GAP + row * (LINE + 256 + GAP) + LINE + 128 for row in range(rows)]
    lefts = [GAP + column * (256 + GAP) + 128 for column in range(columns)]
    return [[int(sheet[top, left, 0]) for left in lefts] for top in tops]


def test_prompts_by_seeds_and_by_weights(tmp_path: Path) -> None:
    sheets = made(tmp_path, ["a", "b c"], [3, 4], ORIGINAL, FINETUNED)
    assert [(one.prompt, one.seed) for one in sheets.wanted] == [
        ("a", 3),
        ("a", 4),
        ("b c", 3),
        ("b c", 4),
    ]
    told = sheets.finish()
    assert len(told) == 3 and told[0].startswith("original, finetuned from left to right: ")
    assert greys(tmp_path / "side_by_side.png", 2, 4) == [[1, 11], [2, 12], [3, 13], [4, 14]]
    assert greys(tmp_path / "seeds_finetuned.png", 2, 2) == [[11, 12], [13, 14]]
    assert (tmp_path / "cmp_1_b_c_4_fine.png").is_file()


def test_states_of_the_weights_are_columns(tmp_path: Path) -> None:
    states = [Variant("strength 0.5", strength=0.5), Variant("step 200", 200)]
    made(tmp_path, ["a"], [3], ORIGINAL, *states).finish()
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "original_3.png",
        "strength-0.5_3.png",
        "step-200_3.png",
        "side_by_side.png",
    }
    assert greys(tmp_path / "side_by_side.png", 3, 1) == [[1, 11, 21]]
