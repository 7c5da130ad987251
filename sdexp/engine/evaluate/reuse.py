"""Pictures of the finetuned model that another evaluation of the run has made already.

So a metric that is added later makes no picture. A batch is known by its key, which covers the
weights and everything else that its pixels depend on.
"""

import hashlib
import json

import numpy as np

from sdexp.engine.evaluate.asked import Asked
from sdexp.engine.evaluate.pictures import PICTURES, MadePictures, PictureMaker
from sdexp.engine.images import read_png
from sdexp.ground.files import write_text
from sdexp.ground.run import EvaluationFolder, RunFolder
from sdexp.ground.store import Store
from sdexp.model.base import LoadedModel

Noted = list[tuple[str, str]]


def note_batches(
    folder: EvaluationFolder,
    maker: PictureMaker,
    model: LoadedModel,
    made: list[tuple[Asked, MadePictures]],
) -> None:
    """Write which files of the evaluation hold which batch, with the sha256 of their pixels."""
    told: dict[str, Noted] = {}
    for one, pictures in made:
        hashes = iter(pictures.sha256)
        place = one.folder(folder, "finetuned").relative_to(folder.path)
        for key, names in maker.files(model, one).items():
            told[key] = [((place / name).as_posix(), next(hashes)) for name in names]
    write_text(folder.batches, json.dumps(told, indent=1))


def take_over(
    run: RunFolder, store: Store, maker: PictureMaker, model: LoadedModel, asked: list[Asked]
) -> None:
    """Put into a store what is asked for now and lies in the run; what was changed is left out."""
    wanted = {key for one in asked for key in maker.files(model, one)}
    for folder in [run, *map(EvaluationFolder, sorted(run.evaluations.glob("*/")))]:
        for key, files in _noted(folder).items():
            if key in wanted and not store.holds(PICTURES, key):
                pixels = _unchanged(folder, files)
                if pixels is not None:
                    store.put(PICTURES, key, {"pixels": pixels})


def _noted(folder: EvaluationFolder) -> dict[str, Noted]:
    """Nothing where the note is missing or damaged: then the pictures are made again."""
    try:
        found = json.loads(folder.batches.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _unchanged(folder: EvaluationFolder, files: Noted) -> np.ndarray | None:
    """The pictures of a batch, uint8 [N, H, W, 3]; None unless all are as they were made."""
    try:
        pictures = [read_png(folder.path / name) for name, _ in files]
    except (OSError, SyntaxError, ValueError):
        # Pillow's word for some broken PNG files is SyntaxError.
        return None
    hashes = [hashlib.sha256(pixels.tobytes()).hexdigest() for pixels in pictures]
    return np.stack(pictures) if hashes == [sha256 for _, sha256 in files] else None
