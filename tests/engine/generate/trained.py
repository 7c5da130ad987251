"""A small trained run, and requests for pictures of it."""

from pathlib import Path
from typing import Any

from sdexp.ground.picture_requests import (
    FINETUNED,
    ORIGINAL,
    Fillers,
    GenerateRequest,
    GridConfig,
    Variant,
)
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.recipes import Recipes
from tests.training import trainer_of

NO_GRID = GridConfig(None, Fillers.prompts, 8, 140)


def options(tiny: str) -> tuple[str, ...]:
    return (tiny, "optimizer.lr=0.01", "training.validation_images_steps=null")


def trained(new_run: Any, recipes: Any, store: Store, tiny: str) -> tuple[RunFolder, Recipes]:
    """A run with weights, and its recipes."""
    run = new_run("run", *options(tiny))
    made = recipes(*options(tiny))
    trainer_of(run, made, store).train()
    return run, made


def request(
    prompts: list[str],
    seeds: list[int],
    variants: tuple[Variant, ...] = (ORIGINAL, FINETUNED),
    grid: GridConfig = NO_GRID,
    negative_prompt: str = "",
) -> GenerateRequest:
    """Two steps of sampling."""
    return GenerateRequest(
        prompts, seeds, "ddim", 2, 2.5, negative_prompt, None, None, [*variants], grid
    )


def png_names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}
