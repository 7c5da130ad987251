"""Prompts and seeds side by side."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

from sdexp.engine.generate.layout import AbstractLayout, Wanted
from sdexp.engine.generate.sheet import Row, side_by_side
from sdexp.engine.images import save_png
from sdexp.ground.picture_requests import FINETUNED, ORIGINAL, Variant

SHORT = {ORIGINAL: "orig", FINETUNED: "fine"}
WORDS_LENGTH = 50


class Sheets(AbstractLayout):
    """`side_by_side.png` has a row for each prompt and seed and a column for each variant.

    With several seeds `seeds_<variant>.png` has a row for each prompt and a column for each seed.
    Pictures of one prompt are `<variant>_<seed>.png`, of several
    `cmp_<i>_<words>_<orig|fine|...>.png`, with the seed behind the words where there are several.
    """

    def __init__(
        self, folder: Path, variants: Sequence[Variant], prompts: list[str], seeds: list[int]
    ) -> None:
        self.folder = folder
        self.variants = variants
        self.prompts = prompts
        self.seeds = seeds
        self.wanted = [Wanted(prompt, seed) for prompt in prompts for seed in seeds]

    def file(self, variant: Variant, place: int) -> Path:
        wanted = self.wanted[place]
        if len(self.prompts) == 1:
            return self.folder / f"{variant.slug}_{wanted.seed}.png"
        words = re.sub(r"[^0-9A-Za-z]", "_", wanted.prompt)[:WORDS_LENGTH]
        seeded = f"{words}_{wanted.seed}" if len(self.seeds) > 1 else words
        short = SHORT[variant] if variant in SHORT else variant.slug
        return self.folder / f"cmp_{place // len(self.seeds)}_{seeded}_{short}.png"

    def finish(self) -> list[str]:
        names = [variant.name for variant in self.variants]
        rows = [
            Row(
                f"{wanted.prompt} (seed {wanted.seed})",
                tuple(self.file(variant, place) for variant in self.variants),
            )
            for place, wanted in enumerate(self.wanted)
        ]
        sheet = self.folder / "side_by_side.png"
        save_png(side_by_side(names, rows), sheet, self.texts())
        return [f"{', '.join(names)} from left to right: {sheet}", *self._by_seed()]

    def texts(self) -> dict[str, str]:
        """What a sheet shows, for its PNG."""
        facts = {
            "prompts": self.prompts,
            "seeds": self.seeds,
            "weights": [variant.name for variant in self.variants],
        }
        return {"sdexp": json.dumps(facts, sort_keys=True)}

    def _by_seed(self) -> list[str]:
        if len(self.seeds) == 1:
            return []
        told = []
        heads = [f"seed {seed}" for seed in self.seeds]
        for variant in self.variants:
            rows = [Row(prompt, self._row(variant, n)) for n, prompt in enumerate(self.prompts)]
            sheet = self.folder / f"seeds_{variant.slug}.png"
            save_png(side_by_side(heads, rows), sheet, self.texts())
            told.append(f"prompts by seeds, {variant.name}: {sheet}")
        return told

    def _row(self, variant: Variant, number: int) -> tuple[Path, ...]:
        first = number * len(self.seeds)
        return tuple(self.file(variant, first + k) for k in range(len(self.seeds)))
