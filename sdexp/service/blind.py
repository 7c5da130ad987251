"""The blind test: pairs of an evaluation's pictures, and nothing that tells whose is whose."""

import io
import secrets
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sdexp.ground.rows import PictureRow, read_rows
from sdexp.ground.votes import Choice, Vote, add_vote
from sdexp.service import told
from sdexp.service.found import FoundRun
from sdexp.service.refusals import Refusal

# Pairs that are open at once; more than that, and the oldest are closed.
MOST_OPEN = 2000
Side = Literal["left", "right"]


@dataclass(frozen=True)
class Pair:
    """A pair that somebody looks at; files: by side; left: whose is on the left."""

    found: FoundRun
    row: PictureRow
    files: dict[Side, Path]
    left: Choice

    @property
    def right(self) -> Choice:
        return "finetuned" if self.left == "original" else "original"


class BlindTest:
    """Open pairs by names that nobody can guess, each of which is voted on once."""

    def __init__(self) -> None:
        self._open: OrderedDict[str, Pair] = OrderedDict()
        self._voted: OrderedDict[str, None] = OrderedDict()
        self._voting = threading.Lock()

    def pairs(self, found: FoundRun, count: int) -> list[dict[str, Any]]:
        """Pairs in random order, each picture on a random side; raises `Refusal`."""
        made = _both(found)
        if not made:
            raise Refusal(
                409, f"{found.id}: no evaluation with pictures of held-out prompts; evaluate it"
            )
        chosen = secrets.SystemRandom().sample(made, min(count, len(made)))
        return [self._opened(found, original, finetuned) for original, finetuned in chosen]

    def picture(self, name: str, side: Side) -> bytes:
        """The PNG of one side, without any word of where it is from; raises `Refusal`."""
        file = self._pair(name).files[side]
        if not file.is_file():
            raise Refusal(404, "the picture is not in the run's folder any more")
        return _pixels_only(file)

    def vote(self, name: str, choice: Side | Literal["same"]) -> dict[str, Any]:
        """Write the vote into the run; whose pictures these were. Raises `Refusal`."""
        with self._voting:
            return self._vote(name, choice)

    def _vote(self, name: str, choice: Side | Literal["same"]) -> dict[str, Any]:
        if name in self._voted:
            raise Refusal(409, "this pair has been voted on")
        pair = self._pair(name)
        if not pair.found.run.path.is_dir():
            raise Refusal(404, f"{pair.found.id}: is not there any more")
        sides: dict[str, Choice] = {"left": pair.left, "right": pair.right, "same": "same"}
        row = pair.row
        vote = Vote(row.prompt_id, row.replicate, sides[choice], pair.left, round(time.time(), 3))
        add_vote(pair.found.run.votes, vote)
        self._voted[name] = None
        _cut(self._voted)
        was = {"left": pair.left, "right": pair.right}
        return {"was": was, "votes": told.votes(pair.found)}

    def _opened(
        self, found: FoundRun, original: PictureRow, finetuned: PictureRow
    ) -> dict[str, Any]:
        name = secrets.token_urlsafe(12)
        is_first = secrets.randbelow(2) == 0
        left, right = (original, finetuned) if is_first else (finetuned, original)
        files: dict[Side, Path] = {
            "left": found.run.path / left.path,
            "right": found.run.path / right.path,
        }
        self._open[name] = Pair(found, original, files, "original" if is_first else "finetuned")
        _cut(self._open)
        address = f"/api/blind/{name}"
        return {
            "pair": name,
            "prompt": original.caption,
            "left": f"{address}/left.png",
            "right": f"{address}/right.png",
        }

    def _pair(self, name: str) -> Pair:
        if name not in self._open:
            raise Refusal(404, "no such pair, or one of long ago; begin again")
        return self._open[name]


def _both(found: FoundRun) -> list[tuple[PictureRow, PictureRow]]:
    """Original's and finetuned's picture of each prompt and noise."""
    is_compared = found.scores is not None and found.scores.control is None
    if not is_compared or not found.run.per_image.is_file():
        return []
    rows = {(r.prompt_id, r.replicate, r.model): r for r in read_rows(found.run.per_image)}
    keys = dict.fromkeys((prompt, replicate) for prompt, replicate, _ in rows)
    return [(rows[*key, "original"], rows[*key, "finetuned"]) for key in keys]


def _pixels_only(file: Path) -> bytes:
    """Without the recipe, which names the weights."""
    from PIL import Image

    with Image.open(file, formats=["PNG"]) as picture:
        bare = Image.frombytes(picture.mode, picture.size, picture.tobytes())
    written = io.BytesIO()
    bare.save(written, format="PNG")
    return written.getvalue()


def _cut(kept: OrderedDict[str, Any]) -> None:
    while len(kept) > MOST_OPEN:
        kept.popitem(last=False)
