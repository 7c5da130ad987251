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
    from PIL.Image import Image
    from torch.utils.tensorboard import SummaryWriter

    from sdexp.ground.records import Shipped


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
        """A table as text; its pictures stand beside it, by column and row."""
        shown = [[f"picture {n}" if _is_picture(c) else c for c in r] for n, r in enumerate(rows)]
        self._writer(name).add_text(name, _table(columns, shown), step)
        for index, column in enumerate(columns):
            cells = [(f"row {n}", row[index]) for n, row in enumerate(rows)]
            if pictures := [(text, cell) for text, cell in cells if _is_picture(cell)]:
                self.log_images(f"{name}/{column}", pictures, step)

    def flush(self) -> bool:
        for writer in self._writers.values():
            writer.flush()
        return True

    def close(self, failed: bool) -> None:
        for writer in self._writers.values():
            writer.close()

    def _writer(self, name: str) -> SummaryWriter:
        kind, _, rest = name.partition("/")
        beside = f"evaluations/{rest.partition('/')[0]}"
        places = {"evaluation": "evaluate", "evaluations": beside}
        place = places[kind] if kind in places else self._followed.job_type
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


def _is_picture(cell: Any) -> bool:
    from PIL.Image import Image

    return isinstance(cell, Image)
