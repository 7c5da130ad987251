"""What `sdexp.generate` is asked for, as it stands in request.json."""

from dataclasses import dataclass
from enum import StrEnum

from sdexp.ground.checks import between, require


@dataclass(frozen=True)
class Variant:
    """A state of the weights.

    step: of an earlier checkpoint, None for the final ones; strength: by which adapters act, 0 for
    the original and 1 as they were trained.
    """

    name: str
    step: int | None = None
    strength: float = 1.0

    @property
    def slug(self) -> str:
        """The name as names of files hold it."""
        return self.name.replace(" ", "-")

    @property
    def is_original(self) -> bool:
        return self.strength == 0


ORIGINAL = Variant("original", strength=0.0)
FINETUNED = Variant("finetuned")


class Fillers(StrEnum):
    """Where the pictures beside the main ones come from."""

    dataset = "dataset"
    prompts = "prompts"
    llm = "llm"


@dataclass
class GridConfig:
    """A square of pictures: one of the main prompt in each block of four, among three fillers.

    main: None for no grid; size: cells a side, even; cell: pixels of a cell's side in the sheet.
    """

    main: str | None
    fillers: Fillers
    size: int
    cell: int

    def __post_init__(self) -> None:
        between("grid", 2, 32, size=self.size)
        between("grid", 32, 1024, cell=self.cell)
        require("grid", self.size % 2 == 0, "size", self.size, "an even number, such as 8")


@dataclass(frozen=True)
class GenerateRequest:
    """A picture for each state of the weights, prompt and seed; with `grid.main` a grid instead.

    height, width: pixels; None as in the run's evaluation.
    """

    prompts: list[str]
    seeds: list[int]
    sampler: str
    num_inference_steps: int
    guidance_scale: float
    negative_prompt: str
    height: int | None
    width: int | None
    variants: list[Variant]
    grid: GridConfig
