"""Pictures of the finetuned model that another evaluation of the run has made already.

So a metric that is added later makes no picture. A batch is known by its key, which covers weights,
prompts, noise and settings; that this machine would make it alike is seen by the original, whose
pictures must be the same now as they were then.
"""

import hashlib
import json

import numpy as np
from PIL import Image

from sdexp.engine.evaluate.asked import Asked
from sdexp.engine.evaluate.pictures import PICTURES, MadePictures, PictureMaker
from sdexp.engine.images import read_png
from sdexp.ground.files import write_text
from sdexp.ground.run import EvaluationFolder, RunFolder
from sdexp.model.base import LoadedModel

# Name of a file below the evaluation, sha256 of its pixels, and of the original's picture.
Noted = list[tuple[str, str, str]]
Both = dict[str, MadePictures]


def note_batches(
    folder: EvaluationFolder,
    maker: PictureMaker,
    model: LoadedModel,
    made: list[tuple[Asked, Both]],
) -> None:
    """Write which files of the evaluation hold which batch."""
    told: dict[str, Noted] = {}
    for one, both in made:
        hashes = iter(zip(both["finetuned"].sha256, both["original"].sha256, strict=True))
        place = one.folder(folder, "finetuned").relative_to(folder.path)
        for key, names in maker.files(model, one).items():
            told[key] = [((place / name).as_posix(), *next(hashes)) for name in names]
    write_text(folder.batches, json.dumps(told, indent=1))


def take_over(
    run: RunFolder,
    maker: PictureMaker,
    model: LoadedModel,
    originals: list[tuple[Asked, MadePictures]],
) -> int:
    """Put into the maker's store what is asked for now and lies in the run; how many pictures.

    originals: what the original made now. What was changed since is left out.
    """
    wanted = _wanted(maker, model, originals)
    taken = 0
    for folder in [run, *map(EvaluationFolder, sorted(run.evaluations.glob("*/")))]:
        for key, files in _noted(folder).items():
            is_asked = key in wanted and not maker.store.holds(PICTURES, key)
            if is_asked and [original for *_, original in files] == wanted[key]:
                pixels = _unchanged(folder, files)
                if pixels is not None:
                    maker.store.put(PICTURES, key, {"pixels": pixels})
                    taken += len(files)
    return taken


def _wanted(
    maker: PictureMaker, model: LoadedModel, originals: list[tuple[Asked, MadePictures]]
) -> dict[str, list[str]]:
    """Keys of the finetuned's batches, and the sha256 of the original's pictures of each."""
    wanted = {}
    for one, made in originals:
        hashes = iter(made.sha256)
        for key, names in maker.files(model, one).items():
            wanted[key] = [next(hashes) for _ in names]
    return wanted


def _noted(folder: EvaluationFolder) -> dict[str, Noted]:
    """Nothing where the note is missing or damaged: then the pictures are made again."""
    try:
        found = json.loads(folder.batches.read_text())
        return {key: [_line(folder, *line) for line in lines] for key, lines in found.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _line(folder: EvaluationFolder, name: str, own: str, original: str) -> tuple[str, str, str]:
    """Raises `ValueError` for a file that is not the evaluation's, `TypeError` for no text."""
    home = folder.path.resolve()
    if not (home / name).resolve().is_relative_to(home):
        raise ValueError(f"{name}: outside {home}")
    return name, own, original


def _unchanged(folder: EvaluationFolder, files: Noted) -> np.ndarray | None:
    """The pictures of a batch, uint8 [N, H, W, 3]; None unless all are as they were made."""
    try:
        pictures = [read_png(folder.path / name) for name, *_ in files]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        # Pillow's word for some broken PNG files is SyntaxError.
        return None
    hashes = [hashlib.sha256(pixels.tobytes()).hexdigest() for pixels in pictures]
    return np.stack(pictures) if hashes == [own for _, own, _ in files] and files else None
