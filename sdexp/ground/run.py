"""The run folder: every file name once, and how its files are written."""

import errno
import fcntl
import json
import os
import secrets
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sdexp.ground.errors import ConfigError, DiskError

# Set for a worker whose standard input closes when its door ends.
FOLLOW_DOOR = "SDEXP_FOLLOW_DOOR"
# Makes a worker write the stacks of its threads.
STACKS_SIGNAL = signal.SIGUSR1
# As long as the worker of a killed command may need to end.
LOCK_SECONDS = 5.0
MODELS = ("original", "finetuned")
# The record of a sweep, in the folder that holds its runs.
SWEEP_RECORD = "sweep.json"


@dataclass(frozen=True)
class RunFolder:
    """Paths inside one run folder."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.yaml"

    @property
    def evaluation_config(self) -> Path:
        """The configuration of the latest evaluation, when it is not that of the run."""
        return self.path / "evaluation.yaml"

    @property
    def request(self) -> Path:
        """What `sdexp.generate` asks its worker for."""
        return self.path / "generate" / "request.json"

    @property
    def record(self) -> Path:
        return self.path / "run.json"

    @property
    def log(self) -> Path:
        return self.path / "log.jsonl"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def weights(self) -> Path:
        return self.path / "weights"

    @property
    def validation(self) -> Path:
        """Validation pictures: `<step>/<k>.png`, step 000000 first."""
        return self.path / "images" / "validation"

    def images(self, model: str) -> Path:
        """`model`: original, finetuned, or reference."""
        return self.path / "images" / model

    @property
    def per_image(self) -> Path:
        return self.path / "per_image.parquet"

    @property
    def scores(self) -> Path:
        return self.path / "scores.json"

    @property
    def report_html(self) -> Path:
        return self.path / "report.html"

    @property
    def report_md(self) -> Path:
        return self.path / "report.md"

    @property
    def wandb(self) -> Path:
        return self.path / "wandb"

    @property
    def output(self) -> Path:
        """What a job of a sweep printed."""
        return self.path / "output.log"

    @property
    def partial(self) -> Path:
        """Pictures of the finetuned model until its evaluation is whole."""
        return self.path / "partial"

    @property
    def stacks(self) -> Path:
        """Stacks of processes that died or were ended: `rank<k>.txt`."""
        return self.path / "stacks"

    @property
    def tensorboard(self) -> Path:
        """Event files, a folder for each job type."""
        return self.path / "tensorboard"

    @property
    def trackers_told(self) -> Path:
        """Which trackers the command at work has warned about."""
        return self.path / ".trackers.json"

    @property
    def previous(self) -> Path:
        """Earlier evaluations, kept under their own names."""
        return self.path / "previous"

    def read_record(self) -> dict[str, Any]:
        return json.loads(self.record.read_text())

    def update_record(self, **values: Any) -> None:
        """Merge values into run.json."""
        record = self.read_record() if self.record.exists() else {}
        write_text(self.record, json.dumps(record | values, indent=2, sort_keys=True) + "\n")

    def holds_other_files(self) -> bool:
        """Whether there is more in the folder than a command killed at its start leaves."""
        if not self.path.is_dir():
            return False
        names = [path.name for path in self.path.iterdir() if not path.name.startswith(".tmp-")]
        return bool(set(names) - {".lock", self.record.name})

    def is_trained(self) -> bool:
        """False while a training, also a continued one, has not come to its end."""
        record = self.read_record()
        return record["stage"] != "train" or record["status"] == "finished"

    def set_results_aside(self) -> None:
        """Move the results of an earlier evaluation to `previous`; remove those of a broken one."""
        old = [self.scores, self.per_image, self.report_html, self.report_md]
        old += [self.evaluation_config]
        old += [self.images(model) for model in (*MODELS, "reference")]
        target = self.previous / datetime.now().strftime("%Y-%m-%d_%H-%M-%S_%f")
        whole = self.scores.exists()
        for path in [path for path in old if path.exists()]:
            if whole:
                kept = target / path.relative_to(self.path)
                kept.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(path, kept)
            elif path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()

    @contextmanager
    def lock(self) -> Iterator[int]:
        """Hold the folder while a command works in it; gives the handle that holds it.

        Who inherits the handle holds the folder too, so that a worker which outlives its command
        for a moment is waited for. Raises `ConfigError` when another command stays in it.
        """
        with disk_faults(self.path):
            handle = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _flock(handle)
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"pid {os.getpid()}".encode(), 0)
            yield handle
        except BlockingIOError:
            owner = os.pread(handle, 100, 0).decode()
            raise ConfigError(
                f"run_dir={self.path}: another command ({owner}) works in this folder; "
                "wait for it or choose another run_dir"
            ) from None
        finally:
            os.close(handle)


def end_with_parent() -> None:
    """Wait for the standard input to close, and end.

    A worker without a door would write into a folder that the next command takes over.
    """
    os.read(0, 1)
    os._exit(130)


def _flock(handle: int) -> None:
    """Lock, or raise `BlockingIOError` when another holds it for longer than `LOCK_SECONDS`."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def new_run_folder(root: Path, name: str) -> RunFolder:
    """Make `<root>/<day>/<time>_<name>_<random>`, a folder that nobody else has."""
    now = datetime.now()
    return RunFolder(new_folder(root / now.strftime("%Y-%m-%d"), f"{now:%H-%M-%S}_{name}"))


def new_folder(parent: Path, name: str) -> Path:
    """Make `<parent>/<name>_<random>`, a folder that nobody else has."""
    path = parent / f"{name}_{secrets.token_hex(2)}"
    with disk_faults(path):
        path.mkdir(parents=True, exist_ok=False)
    return path


@contextmanager
def disk_faults(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal to write into one line that names the path."""
    try:
        yield
    except OSError as error:
        if error.errno in (
            errno.ENOSPC,
            errno.EDQUOT,
            errno.EROFS,
            errno.EACCES,
            errno.EIO,
            errno.EFBIG,
            errno.EPERM,
            errno.ENOTDIR,
            errno.EEXIST,
        ):
            raise DiskError(f"{path}: cannot be written ({error.strerror})") from error
        raise


def check_room(path: Path, needed: int) -> None:
    """Raise `DiskError` when fewer than `needed` bytes are free where `path` lies."""
    free = shutil.disk_usage(path).free
    if free < needed:
        raise DiskError(
            f"{path}: needs {needed / 1e6:.1f} MB, {free / 1e6:.1f} MB are free; make room and "
            "start the same command again"
        )


def write_text(path: Path, text: str) -> None:
    """Write a whole file or none: temporary name, fsync, rename."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes, sync: bool = True) -> None:
    """Write a whole file or none: temporary name, fsync (if `sync`), rename."""
    temporary = path.with_name(f".tmp-{path.name}-{os.getpid()}-{secrets.token_hex(2)}")
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                if sync:
                    file.flush()
                    os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
