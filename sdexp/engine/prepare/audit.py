"""What a data set holds, what it lost, and what a person should look at."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

from PIL import Image

from sdexp.engine.data import describe_data, write_findings
from sdexp.engine.prepare.doubts import doubts
from sdexp.engine.prepare.opened import Opened, Pair, open_all, twins
from sdexp.engine.prepare.tables import write_doubts, write_manifest, write_twins
from sdexp.ground.audit_records import LISTED, AuditRecord, Shown, Twin
from sdexp.ground.files import disk_faults
from sdexp.ground.run import RunFolder
from sdexp.recipes import Recipes

# Pictures of a split and pairs of them on a page, and rows of a list.
SHOWN = 24
SIDE = 192
PICTURES = "pictures"

Key = TypeVar("Key", int, float)


def audit(run: RunFolder, recipes: Recipes, done: list[str]) -> AuditRecord:
    """Look at every picture and caption; tables and small pictures go into the folder.

    done: what was done to the data before, in words.
    """
    opened = open_all(recipes.dataset)
    captioned = [one for split in opened for one in split.captioned()]
    captions = [one.caption for one in captioned]
    # Tokenizers are made anew at each call.
    is_long = dict(zip(captions, recipes.model.overlong(captions), strict=True))
    found = doubts(captioned, lambda asked: [is_long[caption] for caption in asked])
    pairs = twins(opened)
    write_manifest(run.path, opened)
    write_doubts(run.path, found)
    write_twins(run.path, pairs)
    resolution = recipes.training.resolution or recipes.model.native_resolution()
    splits = {}
    for split in opened:
        write_findings(run, split.name, split.data)
        splits[split.name] = describe_data(
            split.data, lambda asked: sum(is_long[caption] for caption in asked), resolution
        )
    sizes = [split.data.size(place) for split in opened for place in split.places]
    return AuditRecord(
        resolution=resolution,
        done=done,
        splits=splits,
        short_sides=_counted(min(size) for size in sizes),
        ratios=_counted(round(width / height, 1) for width, height in sizes),
        words=_counted(len(one.caption.split()) for one in captioned),
        samples=[_shown(run.path, one, k) for one in opened for k in _spread(one.places)],
        twins=[_twin(run.path, pair) for pair in pairs[:SHOWN]],
        num_twins=len(pairs),
        doubts=found[:LISTED],
        doubt_counts=dict(Counter(one.kind for one in found).most_common()),
    )


def _counted(values: Iterable[Key]) -> dict[Key, int]:
    """How often each value stands there, in order."""
    return dict(sorted(Counter(values).items()))


def _spread(places: list[int]) -> list[int]:
    """So many of them as a page shows, evenly from first to last."""
    count = min(SHOWN, len(places))
    return [places[k * len(places) // count] for k in range(count)]


def _twin(folder: Path, pair: Pair) -> Twin:
    return Twin(_shown(folder, *pair.first), _shown(folder, *pair.second), pair.difference)


def _shown(folder: Path, split: Opened, place: int) -> Shown:
    """Write a picture in small, once."""
    file = folder / PICTURES / f"{split.name}_{place}.jpg"
    if not file.exists():
        with disk_faults(file):
            file.parent.mkdir(exist_ok=True)
            image = split.data[place].image
            image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
            image.save(file, quality=85)
    name = split.data.picture_id(place)
    return Shown(split.name, name, split.data.captions(place)[0], f"{PICTURES}/{file.name}")
