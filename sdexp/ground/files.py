"""Files written whole or not at all, and what the disk refuses told in one line."""

import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sdexp.ground.errors import ConfigError, DiskError
from sdexp.ground.units import amount

REFUSALS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EACCES,
    errno.EIO,
    errno.EFBIG,
    errno.EPERM,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.EEXIST,
    errno.ENAMETOOLONG,
)
# How the name of a file or a folder begins that is not whole yet.
HALF_WRITTEN = ".tmp-"
# What Linux and macOS take for one name and for a whole path, in bytes.
LONGEST_NAME = 255
LONGEST_PATH = 4096


@contextmanager
def disk_faults(path: Path) -> Iterator[None]:
    """Turn an operating system's refusal to write into one line that names the path."""
    try:
        yield
    except OSError as error:
        if error.errno in REFUSALS:
            raise DiskError(f"{path}: cannot be written ({error.strerror})") from error
        raise


def make_folder(path: Path, exist_ok: bool = True) -> None:
    """Make a folder and those above it; raises `DiskError`."""
    with disk_faults(path):
        try:
            path.mkdir(parents=True, exist_ok=exist_ok)
        except FileNotFoundError as error:
            # The answer of /proc to whatever is to be made in it.
            raise DiskError(f"{path}: cannot be made ({error.strerror})") from error


def remove_leftovers(folder: Path) -> None:
    """Remove what killed commands left half-written in a folder that nobody else writes to."""
    with disk_faults(folder):
        for leftover in list(folder.rglob(f"{HALF_WRITTEN}*")):
            remove(leftover)


def remove(path: Path) -> None:
    """Remove a file or a folder, which may be gone already."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def check_room(path: Path, needed: int) -> None:
    """Raise `DiskError` when fewer than `needed` bytes are free where `path` lies."""
    free = shutil.disk_usage(path).free
    if free < needed:
        raise DiskError(
            f"{path}: needs {amount(needed)}, {amount(free)} are free; make room and start the "
            "same command again"
        )


@contextmanager
def written_whole(path: Path, sync: bool = True) -> Iterator[Path]:
    """A temporary name to write to; becomes `path` at the end, or vanishes with an error.

    The bytes are on the disk before the name is, unless `sync` is false. Raises `DiskError`.
    """
    temporary = path.with_name(f"{HALF_WRITTEN}{path.name}-{os.getpid()}-{secrets.token_hex(2)}")
    with disk_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.touch()
            rights = temporary.stat().st_mode
            yield temporary
            # safetensors makes a file of its own, which nobody else may read.
            temporary.chmod(rights)
            if sync:
                _sync(temporary)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes, sync: bool = True) -> None:
    """Write a whole file or none."""
    with written_whole(path, sync) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path, text: str) -> None:
    """Write a whole file or none."""
    write_bytes(path, text.encode())


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def sync_folder(path: Path) -> None:
    """Have the names in a folder on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def require_path(key: str, value: str, content: str) -> None:
    """Raise `ValueError` for a text that can be no path; `content`: what it should hold."""
    if not value.strip():
        raise ValueError(f"{key}='': set it to {content}")
    try:
        named_path(key, value)
    except ConfigError as error:
        raise ValueError(str(error)) from error


def named_path(key: str, value: str) -> Path:
    """The path that a person gave for a key; raises `ConfigError` for what can be none."""
    if not value.strip():
        raise ConfigError(f"{key} is empty: name a folder; . is the one that you are in")
    longest = max(len(os.fsencode(name)) for name in value.split("/"))
    if longest > LONGEST_NAME or len(os.fsencode(value)) > LONGEST_PATH or "\0" in value:
        raise ConfigError(
            f"{key}={value[:40]}...: no path; a name has at most {LONGEST_NAME} bytes, the whole "
            f"{LONGEST_PATH}"
        )
    return Path(value)


def file_sha256(file: Path) -> str:
    """sha256 of a file's content, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
