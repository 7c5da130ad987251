"""How much of what a run will ask for lies in the store already."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from sdexp.backbone.base import batches
from sdexp.engine.evaluate.asked import TRAIN, Asked
from sdexp.engine.evaluate.guards import LEAST_PICTURES
from sdexp.engine.evaluate.pictures import PICTURES, PictureMaker
from sdexp.engine.plan.disk import picture_bytes
from sdexp.engine.prompts import evaluation_data
from sdexp.engine.train.items import Item
from sdexp.engine.train.setup import Setup
from sdexp.engine.train.timetable import Timetable
from sdexp.ground.run import GUARDS
from sdexp.ground.store import Store
from sdexp.metric.base import AbstractMetric
from sdexp.recipes import Recipes

# As many pictures are read to learn how many the store knows.
LOOKED_AT = 512
# Checksum and header of an entry.
ENTRY_BYTES = 200
# Features and distances are float64.
NUMBER_BYTES = 8


@dataclass(frozen=True)
class Known:
    """How many of `looked` entries the store holds, of `total` that the run will ask for.

    `gain`: bytes that the store may gain.
    """

    total: int
    looked: int
    found: int
    gain: int

    @property
    def missing(self) -> float:
        """The share that is not there."""
        return 1 - self.found / self.looked if self.looked else 0.0


NOTHING = Known(0, 0, 0, 0)


def training_moments(setup: Setup, timetable: Timetable) -> Known:
    """The moments of the first epoch's pictures, and how many more later epochs may ask for."""
    training = setup.recipes.training
    first = timetable.first_epoch()
    looked = _spread(first)
    items = (setup.pictures[(0, index)] for index in looked)
    epochs = -(-timetable.total // timetable.order.steps_per_epoch)
    views = 1 + (training.random_flip and epochs > 1)
    if not training.center_crop:
        views = epochs
    return _moments(setup, timetable, items, len(looked), len(first), views)


def validation_moments(setup: Setup, timetable: Timetable) -> Known:
    """The moments of the validation loss."""
    data = setup.validation.data
    if data is None or not timetable.validations:
        return NOTHING
    total = min(setup.recipes.training.num_validation_samples, len(data))
    looked = _spread(list(range(total)))
    items = (setup.validation.item(data, index) for index in looked)
    return _moments(setup, timetable, items, len(looked), total, 1)


def _moments(
    setup: Setup,
    timetable: Timetable,
    items: Iterator[Item],
    looked: int,
    total: int,
    views: int,
) -> Known:
    """`views`: in how many ways a picture may be cropped and mirrored during the run."""
    if setup.pictures.cache is None:
        return NOTHING
    found = sum(_is_encoded(item) for item in items)
    channels, height, width = setup.model.latent_shape(timetable.resolution, timetable.resolution)
    entry = 2 * 4 * channels * height * width + ENTRY_BYTES
    return Known(total, looked, found, round(total * (views - found / looked)) * entry)


def _is_encoded(item: Item) -> bool:
    encoded = item.view.encoded
    return encoded is not None and encoded.moments is not None


def _spread(values: list[int]) -> list[int]:
    """At most `LOOKED_AT` of the values, evenly spaced."""
    count = min(LOOKED_AT, len(values))
    return [values[place * len(values) // count] for place in range(count)]


def original_pictures(
    setup: Setup, timetable: Timetable, store: Store, asked: list[Asked]
) -> Known:
    """The batches of the original's evaluation pictures, with what judges keep of them."""
    config = setup.recipes.evaluation
    maker = PictureMaker(
        config.sampling(timetable.resolution),
        config.batch_size,
        config.seed,
        store,
        setup.accelerator,
    )
    batches = [batch for one in asked for batch in maker.keys(setup.model, one).items()]
    missing = [size for key, size in batches if not store.holds(PICTURES, key)]
    gain = sum(missing) * picture_bytes(timetable) + ENTRY_BYTES * len(missing)
    if missing:
        real = len(evaluation_data(setup.run, setup.recipes))
        trained = min(config.num_train_pictures, len(setup.data))
        gain += _features(setup.recipes, asked, real, trained)
    return Known(len(batches), len(batches), len(batches) - len(missing), gain)


def _features(recipes: Recipes, asked: list[Asked], real: int, trained: int) -> int:
    """Bytes of what judges keep: of pictures of the original, and of real ones.

    real: pictures of the split; trained: those that copies are looked for in.
    """
    metrics = recipes.judging.metrics.values()
    own, train = (_pictures_of(asked, name) for name in ("", TRAIN))
    copying = next((m.backbone for m in metrics if "images" in m.needs), None)
    if min(len(asked[0].prompts), train) < LEAST_PICTURES:
        copying = None
    total = 0
    for name in recipes.judging.used:
        asking = [metric for metric in metrics if metric.backbone == name]
        counts = _looked_at(asking, asked, real)
        counts += [train, trained] if name == copying else []
        if counts:
            width = recipes.judging.backbones[name].width
            total += sum(map(partial(_entries, width), counts))
        if any("pairs" in metric.needs for metric in asking):
            # To the picture of the same prompt, and to that of another one; and of other noise.
            often = 2 + asked[0].replicates - 1
            total += often * _entries(1, own) + _entries(1, train)
    return total


def _looked_at(asking: list[AbstractMetric], asked: list[Asked], real: int) -> list[int]:
    """Sizes of the sets whose pictures a backbone sees by itself, without the search for copies."""
    partners = {metric.partner for metric in asking if "images" in metric.needs}
    counts = [_pictures_of(asked, "")] if partners else []
    if "caption" in partners:
        counts += [_pictures_of(asked, name) for name in GUARDS]
    return counts + ([real] if partners - {"caption"} else [])


def _pictures_of(asked: list[Asked], name: str) -> int:
    return sum(one.pictures for one in asked if one.name == name)


def _entries(width: int, count: int) -> int:
    """Bytes of so many rows of numbers."""
    return NUMBER_BYTES * width * count + ENTRY_BYTES * len([*batches(count)])
