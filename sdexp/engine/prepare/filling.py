"""What a training would compute of its pictures, put into the store before it."""

from collections.abc import Callable
from functools import partial

from sdexp.dataset.base import OpenDataset
from sdexp.engine.images import CENTRE, Size, Square, cut
from sdexp.engine.prepare.opened import first_samples
from sdexp.engine.train.latents import decode_unless_cached
from sdexp.engine.train.setup import Setup, set_up
from sdexp.ground.interrupt import interruptible
from sdexp.ground.progress import Progress, say
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.recipes import Recipes


def fill_store(run: RunFolder, recipes: Recipes, store: Store) -> None:
    """Encode every picture that a training and its validation would see.

    The model is set up as for that training, because what it computes depends on that; several
    processes share the pictures. Those whose moments are there already are not encoded again.
    """
    setup = set_up(run, recipes, store)
    accelerator = setup.accelerator
    source = setup.loss_of.moments
    mine = _squares(setup)[accelerator.process_index :: accelerator.num_processes]
    progress = Progress("filling the store", len(mine), 0, setup.is_main, unit="picture")
    for decode in mine:
        with interruptible():
            source.of(decode_unless_cached(source.cache, None, decode))
        progress.advance("")
    progress.close()
    accelerator.wait_for_everyone()
    known = len(mine) - source.encoded
    say(f"store: {source.encoded} pictures encoded, {known} were there", setup.is_main)


def _squares(setup: Setup) -> list[Callable[[], Square]]:
    """What decodes each picture as the training sees it, mirrored too where it may be."""
    training = setup.recipes.training
    sizes = setup.timetable.sizes
    mirrored = (False, True) if training.random_flip else (False,)
    found = [
        partial(_square, setup.data, index, sizes[index], flipped)
        for index in first_samples(setup.data)
        for flipped in mirrored
    ]
    held_out = setup.validation.data
    if held_out is None or training.validation_steps is None:
        return [*found]
    side = setup.timetable.resolution
    count = min(training.num_validation_samples, len(held_out))
    return [*found, *(partial(_square, held_out, k, (side, side), False) for k in range(count))]


def _square(data: OpenDataset, index: int, size: Size, flipped: bool) -> Square:
    return cut(data[index].image, size, CENTRE, flipped)
