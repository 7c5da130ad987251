"""What stands beside the main pictures of a grid: a pool of prompts, or of real pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from sdexp.dataset.base import OpenDataset
from sdexp.engine.data import open_data
from sdexp.engine.generate.llm import ask_for_prompts
from sdexp.engine.generate.templates import template_prompts
from sdexp.ground.endpoint import endpoint
from sdexp.ground.picture_requests import Fillers, GridConfig
from sdexp.ground.run import RunFolder
from sdexp.recipes import Recipes


@dataclass(frozen=True)
class Pool:
    """What fillers are drawn from: prompts, and the data set whose pictures they describe.

    data: None where the pictures are made; else place k of `prompts` is the k-th of its pictures.
    """

    prompts: Sequence[str]
    data: OpenDataset | None = None

    def picture(self, sample_id: str) -> Image.Image:
        """A real picture, RGB of any size."""
        assert self.data is not None
        ids = [self.data.sample_id(place) for place in range(len(self.data))]
        return self.data[ids.index(sample_id)].image


def pool_of(run: RunFolder, recipes: Recipes, grid: GridConfig) -> Pool:
    """The pool of a grid; raises `DataError` where there is none to be had."""
    if grid.fillers == Fillers.dataset:
        data = open_data(run, recipes, recipes.evaluation.split)
        return Pool([data.captions(k)[0] for k in range(len(data))], data)
    if grid.fillers == Fillers.llm:
        return Pool(ask_for_prompts(endpoint(), fillers_in(grid)))
    return Pool(template_prompts())


def fillers_in(grid: GridConfig) -> int:
    """How many fillers a grid has: three of four cells."""
    return grid.size**2 * 3 // 4
