"""TensorBoard: event files in the run folder, written by torch's own writer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdexp.ground.files import disk_faults
from sdexp.ground.nested import leaves
from sdexp.tracker.base import AbstractTracker, ActiveTracker, Followed
from sdexp.tracker.redact import without_secrets

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image
    from torch.utils.tensorboard import SummaryWriter

    from sdexp.ground.records import Shipped


# The folder of a run's own evaluation.
OWN = "evaluate"


@dataclass(frozen=True)
class TensorBoard(AbstractTracker):
    """Event files below `tensorboard/`: training, own evaluation, and each evaluation beside it."""

    def start(self, followed: Followed) -> ActiveTracker:
        return EventFiles(followed)


class EventFiles(ActiveTracker):
    """One writer for each folder, so that what repeats one hides nothing of another."""

    def __init__(self, followed: Followed) -> None:
        # It takes seconds, which a run has at its beginning and not at its end.
        from torch.utils import tensorboard  # noqa: F401

        self.folder = followed.run.tensorboard
        self._followed = followed
        self._writers: dict[str, SummaryWriter] = {}
        self._scores: dict[str, dict[str, float]] = {}

    def open(self, shipped: Shipped) -> tuple[Shipped, str]:
        return shipped, ""

    def rewind(self, step: int) -> bool:
        """Go on in a new file, whose readers forget `step` and later in older ones."""
        place = self._followed.job_type
        if place in self._writers:
            self._writers.pop(place).close()
        self._begin(place, step)
        return True

    def log(self, values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            self._writer(name).add_scalar(name, value, step)
            self._scores.setdefault(self._place(name), {})[name] = value

    def log_images(self, name: str, images: list[tuple[str, Image]], step: int) -> None:
        """Pictures as `name/0`, `name/1`, ..., and their captions as a list."""
        import numpy as np

        writer = self._writer(name)
        for number, (_, image) in enumerate(images):
            pixels = np.asarray(image.convert("RGB"))
            writer.add_image(f"{name}/{number}", pixels, step, dataformats="HWC")
        lines = [f"- {number}: {_in_a_line(text)}" for number, (text, _) in enumerate(images)]
        writer.add_text(f"{name}/captions", "\n".join(lines), step)

    def log_table(self, name: str, columns: list[str], rows: list[list[Any]], step: int) -> None:
        """A table as text; the pictures of a row stand beside it, side by side in one."""
        shown = [[f"picture {n}" if _is_picture(c) else c for c in r] for n, r in enumerate(rows)]
        self._writer(name).add_text(name, _table(columns, shown), step)
        pairs = [(_heads(columns, row), _side_by_side(row)) for row in rows if _has_pictures(row)]
        if pairs:
            self.log_images(f"{name}/pictures", pairs, step)

    def log_words(self, words: dict[str, str], step: int) -> None:
        """The words as text; of the run's own evaluation with the configuration it is of (hparams).

        What sets others apart stands in their folders' names.
        """
        from torch.utils.tensorboard.summary import hparams

        place = self._place(next(iter(words)))
        writer = self._writer_at(place)
        writer.add_text("verdict", _table(["name", "words"], words.items()), step)
        if place != OWN:
            return
        config = dict(leaves(without_secrets(self._followed.config)))
        plain = {k: v for k, v in config.items() if isinstance(v, bool | int | float | str)}
        for summary in hparams(plain, self._scores[place]):
            # None only for a writer that was closed.
            assert writer.file_writer is not None
            writer.file_writer.add_summary(summary)

    def log_page(self, name: str, page: Path, step: int) -> None:
        """TensorBoard shows no pages; this one lies beside the event files."""

    def flush(self) -> bool:
        for writer in self._writers.values():
            writer.flush()
        return True

    def close(self, failed: bool) -> None:
        for writer in self._writers.values():
            writer.close()

    def _place(self, name: str) -> str:
        """The folder of what has a name."""
        kind, _, rest = name.partition("/")
        beside = f"evaluations/{rest.partition('/')[0]}"
        places = {"evaluation": OWN, "evaluations": beside}
        return places[kind] if kind in places else self._followed.job_type

    def _writer(self, name: str) -> SummaryWriter:
        return self._writer_at(self._place(name))

    def _writer_at(self, place: str) -> SummaryWriter:
        if place not in self._writers:
            self._begin(place, 0)
        return self._writers[place]

    def _begin(self, place: str, step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        folder = self.folder / place
        with disk_faults(folder):
            writer = SummaryWriter(str(folder), purge_step=step)
        config = leaves(without_secrets(self._followed.config))
        # Without sections that hold nothing.
        shown = [(key, value) for key, value in config if value != {}]
        writer.add_text("config", _table(["key", "value"], shown), step)
        self._writers[place] = writer


def _table(columns: list[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = [" | ".join(map(_in_a_line, cells)) for cells in [columns, *rows]]
    head, *body = [f"| {line} |" for line in lines]
    return "\n".join([head, "|---" * len(columns) + "|", *body])


def _in_a_line(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _has_pictures(row: list[Any]) -> bool:
    return any(_is_picture(cell) for cell in row)


def _heads(columns: list[str], row: list[Any]) -> str:
    """What the pictures of a row show, from left to right."""
    shown = [head for head, cell in zip(columns, row, strict=True) if _is_picture(cell)]
    return f"{' | '.join(shown)}: {row[0]}"


def _side_by_side(row: list[Any]) -> Image:
    """The pictures of a row in one, of the height of the tallest."""
    from PIL import Image

    pictures = [cell.convert("RGB") for cell in row if _is_picture(cell)]
    size = (sum(one.width for one in pictures), max(one.height for one in pictures))
    whole = Image.new("RGB", size)
    left = 0
    for one in pictures:
        whole.paste(one, (left, 0))
        left += one.width
    return whole


def _is_picture(cell: Any) -> bool:
    from PIL.Image import Image

    return isinstance(cell, Image)
