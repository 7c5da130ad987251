"""The comparison of given pictures, paired by their names."""

import hashlib
import json
import time
from pathlib import Path

import numpy as np
from PIL import Image

from sdexp.backbone.base import PictureSet
from sdexp.dataset.pictures import BadPicture, read_picture
from sdexp.engine.evaluate.judges import check_judges
from sdexp.engine.evaluate.pictures import MadePictures
from sdexp.engine.evaluate.results import Made, Results
from sdexp.engine.evaluate.scorer import Pictures
from sdexp.engine.hardware import best_device
from sdexp.engine.images import crop_square, read_png, save_png
from sdexp.engine.prompts import Prompt, prompt_id
from sdexp.ground.errors import DataError
from sdexp.ground.folders import Fit, FoldersConfig, picture_files
from sdexp.ground.run import MODELS, RunFolder
from sdexp.ground.store import Store
from sdexp.metric.judging import Judging

CAPTIONS = "captions.json"


def compare_folders(
    run: RunFolder, folders: FoldersConfig, judging: Judging, store: Store
) -> tuple[float, int]:
    """Score the pictures of both sides; seconds and number of pictures.

    Raises `DataError` for a picture that cannot be read, and for captions that are missing.
    """
    began = time.monotonic()
    device = best_device()
    prompts = _prompts(folders, judging)
    references = _references(folders, prompts)
    check_judges(judging, store, device, folders.resolution, len(prompts), references.count)
    made = {side: _fitted(run, folders, side, prompts) for side in MODELS}
    for prompt in prompts if "reference" in folders.named else []:
        file = run.images("reference") / f"{prompt.prompt_id}.png"
        save_png(references.read(prompt.index), file)
    results = Results(run, judging, Pictures(prompts, 1, made, references))
    results.score(store, device)
    return time.monotonic() - began, results.write(Made(fitted=folders.words))


def _prompts(folders: FoldersConfig, judging: Judging) -> list[Prompt]:
    """A prompt for each picture of the original's; `index`: its place among the real ones."""
    names = list(picture_files(Path(folders.named["original"])))
    captions = _captions(folders)
    asking = [name for name, metric in judging.metrics.items() if metric.partner == "caption"]
    bare = [name for name in names if name not in captions]
    if asking and bare:
        raise DataError(
            f"metric.{asking[0]}: {len(bare)} pictures have no caption (first: {bare[0]}); write "
            f'{{"{bare[0]}": "..."}} to {CAPTIONS} in the folder of the original, or leave the '
            "metric out"
        )
    real = list(picture_files(Path(folders.named["reference"]))) if folders.reference else names
    told = [captions[name] if name in captions else "" for name in names]
    return [
        Prompt(prompt_id(name, caption), name, caption, real.index(name))
        for name, caption in zip(names, told, strict=True)
    ]


def _captions(folders: FoldersConfig) -> dict[str, str]:
    """By the pictures' names, from a file beside those of the original."""
    file = Path(folders.named["original"]) / CAPTIONS
    if not file.is_file():
        return {}
    try:
        found = json.loads(file.read_text())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DataError(f"{file}: no JSON ({str(error).splitlines()[0]})") from error
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise DataError(f'{file}: must be {{"name of a picture": "its caption"}}')
    return found


def _references(folders: FoldersConfig, prompts: list[Prompt]) -> PictureSet:
    """All real pictures; without any, the original's stand there and no metric looks at them."""
    side = "reference" if "reference" in folders.named else "original"
    files = list(picture_files(Path(folders.named[side])).values())
    return PictureSet(len(files), lambda k: _square(files[k], folders), shared=True)


def _fitted(
    run: RunFolder, folders: FoldersConfig, side: str, prompts: list[Prompt]
) -> MadePictures:
    """The pictures of one side as they are scored, kept in the run's folder."""
    given = picture_files(Path(folders.named[side]))
    files = [run.images(side) / f"{prompt.prompt_id}_0.png" for prompt in prompts]
    hashes = []
    blank = 0
    for prompt, file in zip(prompts, files, strict=True):
        picture = _square(given[prompt.sample_id], folders)
        save_png(picture, file)
        hashes.append(hashlib.sha256(picture.tobytes()).hexdigest())
        blank += int(picture.max() == picture.min())
    shown = PictureSet(len(files), lambda k: read_png(files[k]), shared=False)
    return MadePictures(shown, hashes, blank)


def _square(file: Path, folders: FoldersConfig) -> np.ndarray:
    """uint8 [R, R, 3]."""
    try:
        image = read_picture(file).image
    except BadPicture as bad:
        raise DataError(f"{file}: {bad.reason}") from bad
    side = folders.resolution
    if folders.fit == Fit.squash:
        return np.asarray(image.resize((side, side), Image.Resampling.BILINEAR))
    return np.asarray(crop_square(image, side, resampling=Image.Resampling.BILINEAR))
