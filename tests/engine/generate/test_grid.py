import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from sdexp.engine.generate.fillers import Pool
from sdexp.engine.generate.grid import Grid, plan
from sdexp.engine.images import save_png
from sdexp.ground.picture_requests import FINETUNED, ORIGINAL, Fillers, GridConfig

GRID = GridConfig("a cat", Fillers.prompts, 8, 32)


def pool(count: int) -> Pool:
    return Pool([f"filler {k}" for k in range(count)])


@pytest.mark.parametrize("size", [2, 4, 8])
def test_each_block_has_one_main_picture_and_three_fillers(size: int) -> None:
    cells = plan(GridConfig("a cat", Fillers.prompts, size, 32), pool(100), 7)
    assert len(cells) == size**2
    for block in range(size**2 // 4):
        own = [cell for cell in cells if cell.block == block]
        assert [cell.cell for cell in own] == [0, 1, 2, 3]
        assert Counter(cell.kind for cell in own) == {"main": 1, "filler": 3}
        assert {cell.prompt for cell in own if cell.kind == "main"} == {"a cat"}


def test_main_pictures_lie_at_all_four_places() -> None:
    places = Counter(
        cell.cell
        for seed in range(20)
        for cell in plan(GRID, pool(100), seed)
        if cell.kind == "main"
    )
    assert min(places.values()) > 50 and len(places) == 4


def test_no_filler_comes_again_before_all_were_there() -> None:
    used = [cell.prompt for cell in plan(GRID, pool(20), 3) if cell.kind == "filler"]
    assert len(used) == 48
    assert len(set(used[:20])) == len(set(used[20:40])) == 20
    assert used[:20] != used[20:40]


def test_a_seed_gives_a_grid_and_another_seed_another() -> None:
    assert plan(GRID, pool(100), 3) == plan(GRID, pool(100), 3) != plan(GRID, pool(100), 4)
    seeds = [cell.seed for cell in plan(GRID, pool(100), 3)]
    assert len(set(seeds)) == 64 and all(seed is not None and seed >= 0 for seed in seeds)


def test_pictures_stand_where_the_manifest_says(tmp_path: Path) -> None:
    grid = Grid(
        tmp_path, [ORIGINAL, FINETUNED], GridConfig("a", Fillers.prompts, 4, 32), pool(9), 1
    )
    for number, variant in enumerate(grid.variants):
        for place in range(len(grid.wanted)):
            grey = np.full((64, 64, 3), 10 * place + number, np.uint8)
            save_png(grey, grid.file(variant, place))
    told = grid.finish()
    assert told == [
        f"grid, original: {tmp_path}/grid_original.png",
        f"grid, finetuned: {tmp_path}/grid_finetuned.png",
    ]
    rows = [json.loads(line) for line in (tmp_path / "manifest.jsonl").read_text().splitlines()]
    assert len(rows) == 32
    assert rows[17] | {"prompt": ""} == {
        "block": 0,
        "cell": 1,
        "kind": grid.cells[1].kind,
        "prompt": "",
        "seed": grid.cells[1].seed,
        "sample_id": None,
        "weights": "finetuned",
        "file": "finetuned/0_1.png",
    }
