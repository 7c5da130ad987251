"""Grids of blocks of four pictures: one of the main prompt, three fillers."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from sdexp.engine.generate.fillers import Pool
from sdexp.engine.generate.layout import AbstractLayout, Wanted
from sdexp.engine.generate.mosaic import mosaic
from sdexp.engine.images import crop_square, read_png, save_png
from sdexp.ground.files import write_text
from sdexp.ground.picture_requests import GridConfig, Variant
from sdexp.ground.streams import array_stream, stream_seed

MAIN: Literal["main"] = "main"
FILLER: Literal["filler"] = "filler"
BLOCK = 4
MANIFEST = "manifest.jsonl"
# The folder of real pictures among the cells.
REAL = "fillers"
SEEDS = 2**31


@dataclass(frozen=True)
class Cell:
    """One place of a grid.

    cell: 0 to 3 inside its block, row by row; seed: None for a real picture, whose id in the data
    set is `sample_id`.
    """

    block: int
    cell: int
    kind: Literal["main", "filler"]
    prompt: str
    seed: int | None
    sample_id: str | None


def plan(grid: GridConfig, pool: Pool, seed: int) -> list[Cell]:
    """The cells of all blocks: where the main pictures lie, and which filler is where.

    No filler comes a second time before the pool is used up.
    """
    assert grid.main is not None
    fillers = _endless(len(pool.prompts), seed)
    cells = []
    for block in range(grid.size**2 // BLOCK):
        main = int(array_stream(seed, "grid place", block).integers(BLOCK))
        for cell in range(BLOCK):
            number = block * BLOCK + cell
            made = stream_seed(seed, "grid picture", number) % SEEDS
            if cell == main:
                cells.append(Cell(block, cell, MAIN, grid.main, made, None))
                continue
            place = next(fillers)
            prompt = pool.prompts[place]
            if pool.data is None:
                cells.append(Cell(block, cell, FILLER, prompt, made, None))
            else:
                name = pool.data.sample_id(place)
                cells.append(Cell(block, cell, FILLER, prompt, None, name))
    return cells


def _endless(count: int, seed: int) -> Iterator[int]:
    """All places of a pool in a random order, then all in another one, and so on."""
    round_ = 0
    while True:
        yield from array_stream(seed, "grid fillers", round_).permutation(count).tolist()
        round_ += 1


class Grid(AbstractLayout):
    """`grid_<variant>.png` for each variant, and `manifest.jsonl` with a line for each cell.

    Pictures are `<variant>/<block>_<cell>.png`, real ones `fillers/<block>_<cell>.png`.
    """

    def __init__(
        self,
        folder: Path,
        variants: Sequence[Variant],
        grid: GridConfig,
        pool: Pool,
        seed: int,
    ) -> None:
        self.folder = folder
        self.variants = variants
        self.grid = grid
        self.pool = pool
        self.seed = seed
        self.cells = plan(grid, pool, seed)
        self.made = [cell for cell in self.cells if cell.seed is not None]
        self.wanted = [
            Wanted(cell.prompt, cell.seed) for cell in self.made if cell.seed is not None
        ]

    def file(self, variant: Variant, place: int) -> Path:
        return self.file_of(variant, self.made[place])

    def file_of(self, variant: Variant, cell: Cell) -> Path:
        """Where the picture of a cell lies."""
        folder = REAL if cell.seed is None else variant.slug
        return self.folder / folder / f"{cell.block}_{cell.cell}.png"

    def finish(self) -> list[str]:
        self._write_real()
        rows = []
        told = []
        for variant in self.variants:
            files = [self.file_of(variant, cell) for cell in self.cells]
            rows += [
                {
                    "weights": variant.name,
                    **asdict(cell),
                    "file": str(file.relative_to(self.folder)),
                }
                for cell, file in zip(self.cells, files, strict=True)
            ]
            sheet = self.folder / f"grid_{variant.slug}.png"
            pictures = map(read_png, files)
            texts = sheet_texts(self.grid, variant, self.seed)
            save_png(mosaic(pictures, self.grid.size, self.grid.cell), sheet, texts)
            told.append(f"grid, {variant.name}: {sheet}")
        lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        write_text(self.folder / MANIFEST, f"{lines}\n")
        return told

    def _write_real(self) -> None:
        """Squares of the real pictures, as large as those that were made."""
        real = [cell for cell in self.cells if cell.sample_id is not None]
        if not real:
            return
        with Image.open(self.file(self.variants[0], 0)) as made:
            side = made.height
        for cell in real:
            assert cell.sample_id is not None
            square = crop_square(self.pool.picture(cell.sample_id), side)
            texts = _texts(sample_id=cell.sample_id, caption=cell.prompt)
            save_png(np.asarray(square), self.file_of(self.variants[0], cell), texts)


def sheet_texts(grid: GridConfig, variant: Variant, seed: int) -> dict[str, str]:
    """What a whole grid is, for its PNG."""
    return _texts(main=grid.main, weights=variant.name, seed=seed)


def _texts(**facts: str | int | None) -> dict[str, str]:
    """What a picture is, for its PNG."""
    return {"sdexp": json.dumps(facts, sort_keys=True)}
