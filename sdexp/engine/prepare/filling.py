"""What a training would compute of its pictures, put into the store before it."""

from sdexp.dataset.base import OpenDataset
from sdexp.dataset.words import open_samples
from sdexp.engine.images import CENTRE, Size, cut
from sdexp.engine.train.latents import MomentCache, MomentSource, decode_unless_cached
from sdexp.engine.train.timetable import timetable_of
from sdexp.ground.interrupt import interruptible
from sdexp.ground.progress import Progress
from sdexp.ground.store import Store
from sdexp.recipes import Recipes


def fill_store(recipes: Recipes, store: Store, device: str) -> str:
    """Encode every picture that a training would see; what was done, in words.

    Pictures whose moments are there already are not encoded again.
    """
    model = recipes.model.load(device)
    source = MomentSource(model, MomentCache(model, store))
    train = open_samples(recipes.dataset, "train")
    sizes = timetable_of(recipes, train, 1, model.sample_size).sizes
    seen = _once(train)
    mirrored = (False, True) if recipes.training.random_flip else (False,)
    progress = Progress("filling the store", len(seen) * len(mirrored), 0, True, unit="picture")
    for index in seen:
        for flipped in mirrored:
            with interruptible():
                _encode(source, train, index, sizes[index], flipped)
            progress.advance("")
    progress.close()
    known = len(seen) * len(mirrored) - source.encoded
    return f"store: {source.encoded} pictures encoded, {known} were there"


def _once(data: OpenDataset) -> list[int]:
    """A sample of each picture, of which there may be several."""
    first: dict[str, int] = {}
    for index in range(len(data)):
        first.setdefault(data.picture_id(index), index)
    return list(first.values())


def _encode(source: MomentSource, data: OpenDataset, index: int, size: Size, flipped: bool) -> None:
    def decode() -> object:
        return cut(data[index].image, size, CENTRE, flipped)

    source.of(decode_unless_cached(source.cache, None, decode))  # type: ignore[arg-type]
