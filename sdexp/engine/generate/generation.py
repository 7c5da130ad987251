"""Pictures that a person asked for, from several states of the weights."""

from pathlib import Path

from sdexp.engine.generate.fillers import pool_of
from sdexp.engine.generate.grid import Grid
from sdexp.engine.generate.layout import AbstractLayout, Wanted
from sdexp.engine.generate.making import PictureOf
from sdexp.engine.generate.scores import write_scores
from sdexp.engine.generate.sheets import Sheets
from sdexp.engine.generate.variants import as_variant
from sdexp.engine.hardware import make_accelerator
from sdexp.engine.images import recipe_texts, save_png
from sdexp.engine.originals import check_original
from sdexp.ground.picture_requests import GenerateRequest, Variant
from sdexp.ground.progress import Progress, say
from sdexp.ground.run import RunFolder
from sdexp.ground.sampling import Sampling
from sdexp.ground.store import Store
from sdexp.model.base import LoadedModel
from sdexp.recipes import Recipes


def generate(
    run: RunFolder, folder: Path, recipes: Recipes, store: Store, request: GenerateRequest
) -> None:
    """Write what is asked for into the folder.

    Pictures that an earlier or an interrupted command made come from the store.
    """
    layout = _layout(run, folder, recipes, request)
    device = str(make_accelerator(recipes.hardware).device)
    model = recipes.model.load(device)
    check_original(run, model.fingerprints())
    for variant in request.variants:
        # Weights that cannot be applied are told before the first picture.
        with as_variant(run, recipes, model, variant):
            pass
    picture_of = PictureOf(model, store, _sampling(model, recipes, request))
    for variant in request.variants:
        with as_variant(run, recipes, model, variant):
            _make(run, layout, picture_of, variant)
    for line in layout.finish():
        say(line)
    if isinstance(layout, Grid):
        say(write_scores(layout, recipes, store, device))


def _layout(
    run: RunFolder, folder: Path, recipes: Recipes, request: GenerateRequest
) -> AbstractLayout:
    grid = request.grid
    if grid.main is None:
        return Sheets(folder, request.variants, request.prompts, request.seeds)
    pool = pool_of(run, recipes, grid)
    return Grid(folder, request.variants, grid, pool, request.seeds[0])


def _make(run: RunFolder, layout: AbstractLayout, picture_of: PictureOf, variant: Variant) -> None:
    """A variant's pictures, each written when it is there."""
    total = len(layout.wanted)
    progress = Progress(f"pictures of the {variant.name}", total, 0, total > 1, unit="picture")
    for place, wanted in enumerate(layout.wanted):
        picture = picture_of(wanted).pixels
        texts = texts_of(wanted, picture_of.sampling, variant, run)
        save_png(picture, layout.file(variant, place), texts)
        progress.advance("")
    progress.close()


def texts_of(
    wanted: Wanted, sampling: Sampling, variant: Variant, run: RunFolder
) -> dict[str, str]:
    """What a picture was made by, for its PNG; the original's are of no run."""
    origin = {} if variant.is_original else {"run": run.path.name}
    noise = wanted.noise_key
    return recipe_texts(wanted.prompt, noise, sampling, weights=variant.name, **origin)


def _sampling(model: LoadedModel, recipes: Recipes, request: GenerateRequest) -> Sampling:
    side = recipes.training.resolution or model.sample_size
    return Sampling(
        sampler=request.sampler,
        num_inference_steps=request.num_inference_steps,
        guidance_scale=request.guidance_scale,
        negative_prompt=request.negative_prompt,
        height=request.height or side,
        width=request.width or side,
    )
