"""TensorBoard: event files in the run folder, without torch or TensorFlow."""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdexp.ground.log import Log, LogRow, read_log
from sdexp.ground.nested import leaves
from sdexp.ground.run import RunFolder
from sdexp.tracker.base import AbstractTracker, ActiveTracker, TrackerFault
from sdexp.tracker.redact import without_secrets

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class TensorBoard(AbstractTracker):
    """Event files below `tensorboard/<job_type>`; look with `tensorboard --logdir`."""

    def start(
        self, run: RunFolder, config: dict[str, Any], job_type: str, is_cut_off: bool
    ) -> ActiveTracker:
        """The next event file of the job; what it repeats replaces what stands in older ones."""
        log = read_log(run.log)
        kept = _first_repeated(log) if job_type == "train" else 0
        again = [row for row in log.rows if row.step >= kept > 0]
        folder = run.tensorboard / job_type
        return EventFile(folder, without_secrets(config), kept, again, log.last_step)


class EventFile(ActiveTracker):
    """One event file: a new one for each start, numbered in their order."""

    def __init__(
        self,
        folder: Path,
        config: dict[str, Any],
        repeated: int,
        again: list[LogRow],
        last: int,
    ) -> None:
        self._folder = folder
        self._config = config
        self._repeated = repeated
        self._again = again
        self._step = last

    def prepare(self) -> None:
        """Import the formats of TensorBoard."""
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2  # noqa: F401
            from tensorboard.plugins.text import metadata  # noqa: F401
            from tensorboard.summary.writer import record_writer  # noqa: F401
        except (ImportError, AttributeError, TypeError) as error:
            raise TrackerFault(f"tensorboard cannot be imported ({error})") from error

    def connect(self) -> str:
        """Open the file, and take back the steps that come again."""
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.summary.writer.record_writer import RecordWriter

        with self._told():
            self._folder.mkdir(parents=True, exist_ok=True)
            number = len(list(self._folder.glob("events.out.tfevents.*")))
            file = self._folder / f"events.out.tfevents.{number:06d}"
            self._writer = RecordWriter(file.open("xb"))
        self._write(Event(file_version="brain.Event:2"))
        # A reader forgets what older files say about this step and later ones.
        restart = SessionLog(status=SessionLog.START)
        self._write(Event(step=self._repeated, session_log=restart))
        self._text("config", _table(["key", "value"], _shown(self._config)), self._repeated)
        for row in self._again:
            self.log({f"{row.split}/{row.name}": row.value}, row.step)
        return ""

    def log(self, values: dict[str, float], step: int) -> None:
        """Scalars by name at an optimizer step."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._step = max(self._step, step)
        scalars = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
        self._summary(scalars, step)

    def log_images(self, name: str, images: list[tuple[str, Image]], step: int) -> None:
        """Pictures as `name/0`, `name/1`, ..., and their captions as a list."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [
            Summary.Value(tag=f"{name}/{number}", image=_encoded(image))
            for number, (_, image) in enumerate(images)
        ]
        self._summary(values, step)
        lines = [f"- {number}: {_in_a_line(text)}" for number, (text, _) in enumerate(images)]
        self._text(f"{name}/captions", "\n".join(lines), step)

    def log_table(self, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        """A table as text at the last step; its pictures stand beside it, by column and row."""
        shown = [[f"picture {n}" if _is_picture(c) else c for c in r] for n, r in enumerate(rows)]
        self._text(name, _table(columns, shown), self._step)
        for index, column in enumerate(columns):
            cells = [(f"row {n}", row[index]) for n, row in enumerate(rows)]
            if pictures := [(text, cell) for text, cell in cells if _is_picture(cell)]:
                self.log_images(f"{name}/{column}", pictures, self._step)

    def close(self, failed: bool) -> None:
        """Close the file."""
        with self._told():
            self._writer.close()

    def hurry(self) -> None:
        """Nothing: there is no server."""

    def abandon(self) -> None:
        """Nothing: an open file keeps no process alive."""

    def _text(self, tag: str, text: str, step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.compat.proto.tensor_pb2 import TensorProto
        from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
        from tensorboard.compat.proto.types_pb2 import DT_STRING
        from tensorboard.plugins.text.metadata import create_summary_metadata

        shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
        tensor = TensorProto(dtype=DT_STRING, tensor_shape=shape, string_val=[text.encode()])
        about = create_summary_metadata(tag, "")
        self._summary([Summary.Value(tag=tag, tensor=tensor, metadata=about)], step)

    def _summary(self, values: list[Any], step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._write(Event(step=step, summary=Summary(value=values)))

    def _write(self, event: Any) -> None:
        event.wall_time = time.time()
        with self._told():
            self._writer.write(event.SerializeToString())
            self._writer.flush()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise TrackerFault(f"{self._folder} cannot be written ({error.strerror})") from error


def _first_repeated(log: Log) -> int:
    """The first step that a training may tell again, by what its log was cut down to.

    Its last step comes again unless it was looked at: a checkpoint is older than its look.
    """
    last = log.last_steps()
    if "train" not in last:
        return 0
    looked = "validation" in last and last["validation"] >= last["train"]
    return last["train"] + looked


def _shown(config: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Keys and values, without sections that hold nothing."""
    return ((key, value) for key, value in leaves(config) if value != {})


def _table(columns: list[str], rows: Iterable[Iterable[Any]]) -> str:
    lines = [" | ".join(map(_in_a_line, cells)) for cells in [columns, *rows]]
    head, *body = [f"| {line} |" for line in lines]
    return "\n".join([head, "|---" * len(columns) + "|", *body])


def _in_a_line(value: Any) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _is_picture(cell: Any) -> bool:
    from PIL.Image import Image

    return isinstance(cell, Image)


def _encoded(image: Image) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary

    file = io.BytesIO()
    (width, height) = image.size
    image.save(file, "PNG")
    return Summary.Image(width=width, height=height, encoded_image_string=file.getvalue())
