"""Pictures that a run's evaluation has made: who asks for one is shown the one that was scored."""

import hashlib
from pathlib import Path

import numpy as np

from sdexp.engine.images import read_png
from sdexp.ground.fingerprints import SeenFile
from sdexp.ground.record_files import read_record
from sdexp.ground.rows import PictureRow, read_rows
from sdexp.ground.run import RunFolder
from sdexp.ground.sampling import OWN_NOISE
from sdexp.ground.score_records import ScoresRecord
from sdexp.ground.serving import Shot
from sdexp.recipes import Recipes

MODELS = {"original": "original", "run": "finetuned"}
# By model, prompt's id and replicate.
Rows = dict[tuple[str, str, int], PictureRow]


class EvaluatedPictures:
    """Looks into the evaluations of runs, each read once.

    An evaluation makes pictures in batches, where a picture alone may differ by rounding.
    """

    def __init__(self) -> None:
        self._rows: dict[SeenFile, Rows] = {}

    def find(self, shot: Shot, recipes: Recipes) -> np.ndarray | None:
        """uint8 [H, W, 3]; None for what the run's own evaluation has not made, or lost."""
        run = RunFolder(Path(shot.weights.run))
        is_own = shot.noise != OWN_NOISE and shot.strength == 1 and shot.weights.kind in MODELS
        if not is_own or not run.scores.is_file() or not run.per_image.is_file():
            return None
        scores = read_record(run.scores, ScoresRecord)
        if (scores.sampling, recipes.evaluation.seed) != (shot.sampling, shot.seed):
            return None
        row = self._rows_of(run).get((MODELS[shot.weights.kind], *shot.noise))
        if row is None or row.caption != shot.prompt or scores.control is not None:
            return None
        return _whole(run.path / row.path, row.pixel_sha256)

    def _rows_of(self, run: RunFolder) -> Rows:
        file = SeenFile.of(run.per_image)
        if file not in self._rows:
            rows = read_rows(run.per_image)
            self._rows[file] = {(row.model, row.prompt_id, row.replicate): row for row in rows}
        return self._rows[file]


def _whole(file: Path, sha256: str) -> np.ndarray | None:
    """The pixels; None where the file is gone, damaged, or not the one that was scored."""
    try:
        pixels = read_png(file)
    except OSError:
        return None
    return pixels if hashlib.sha256(pixels.tobytes()).hexdigest() == sha256 else None
