"""The run folder: every file name once, and how its files are written."""

import errno
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sdexp.ground.types import ConfigError, DiskError

MODELS = ("original", "finetuned")


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
    def previous(self) -> Path:
        """Earlier evaluations, kept under their own names."""
        return self.path / "previous"

    def read_record(self) -> dict[str, Any]:
        return json.loads(self.record.read_text())

    def update_record(self, **values: Any) -> None:
        """Merge values into run.json."""
        record = self.read_record() if self.record.exists() else {}
        write_text(self.record, json.dumps(record | values, indent=2, sort_keys=True) + "\n")

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder while a command works in it; `ConfigError` when another does."""
        handle = os.open(self.path / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"pid {os.getpid()}".encode(), 0)
            yield
        except BlockingIOError:
            owner = os.pread(handle, 100, 0).decode()
            raise ConfigError(
                f"run_dir={self.path}: another command ({owner}) works in this folder; "
                "wait for it or choose another run_dir"
            ) from None
        finally:
            os.close(handle)


def new_run_folder(root: Path, name: str) -> RunFolder:
    """Make `<root>/<day>/<time>_<name>_<random>`, a folder that nobody else has."""
    now = datetime.now()
    parent = root / now.strftime("%Y-%m-%d")
    path = parent / f"{now.strftime('%H-%M-%S')}_{name}_{secrets.token_hex(2)}"
    with disk_faults(path):
        path.mkdir(parents=True, exist_ok=False)
    return RunFolder(path)


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
            errno.EPERM,
            errno.ENOTDIR,
            errno.EEXIST,
        ):
            raise DiskError(f"{path}: cannot be written ({error.strerror})") from error
        raise


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
