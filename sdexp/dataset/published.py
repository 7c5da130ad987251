"""A set of the Hub, or local files of the same formats, read row by row with `datasets`."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdexp.dataset.selection import Column, Columns, Kind, Row, Selection
from sdexp.ground.assets import hub_is_reachable
from sdexp.ground.errors import ConfigError, DataError
from sdexp.ground.pointers import FETCH, pointer

if TYPE_CHECKING:
    from datasets import IterableDataset

# What `datasets` says of a place in a stream.
Place = dict[str, Any]

PARQUET = b"PAR1"
NUMBERS = ("int", "uint", "float", "bool")
TEXTS = ("string", "large_string")
BYTES = ("binary", "large_binary")


class Published:
    """The set that a selection is of; rows come as they lie there, pictures not decoded."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection

    def check(self) -> None:
        """Raise `DataError` unless the set can be reached and has what the selection names."""
        self.check_reachable()
        self.selection.check(self.columns(self.splits()[0]))

    def check_reachable(self) -> None:
        """Raise `DataError` for a path that is neither a folder nor a Hub id that may be asked."""
        path = self.selection.path
        if self.is_local:
            _check_files(path)
            return
        if path.startswith((".", "/", "~")) or path.count("/") != 1:
            raise DataError(
                f"dataset.path={path}: no such folder; name a local folder or a Hub id (owner/name)"
            )
        if not hub_is_reachable():
            raise DataError(
                f"dataset.path={path}: its pictures are not in dataset.data_dir yet, and "
                "HF_HUB_OFFLINE=1; fetch them with python -m sdexp.prepare where the Hub can be "
                "reached, or set dataset.path to a folder of its parquet files"
            )

    @property
    def is_local(self) -> bool:
        return Path(self.selection.path).is_dir()

    @cached_property
    def version(self) -> str:
        """The commit that a set of the Hub stands at; of a folder a hash over its files' stamps."""
        if self.is_local:
            stamps = [
                f"{file}\n{file.stat().st_size}\n{file.stat().st_mtime_ns}"
                for file in _files(self.selection.path)
            ]
            return hashlib.sha256("\n".join(stamps).encode()).hexdigest()
        from huggingface_hub import HfApi

        with self._told():
            named = self.selection.revision
            return str(HfApi().dataset_info(self.selection.path, revision=named).sha)

    def splits(self) -> list[str]:
        """The splits as the set names them."""
        from datasets import get_dataset_split_names

        with self._told():
            return get_dataset_split_names(config_name=self.selection.config_name, **self._source)

    def columns(self, split: str) -> Columns:
        """What each column holds; raises `DataError` for a set that does not say."""
        with self._told():
            features = self._stream(split).features
        if features is None:
            raise DataError(
                f"dataset.path={self.selection.path}: does not say what its columns hold, so has "
                "no pictures inside; name a set whose files are parquet"
            )
        return {name: _column(feature) for name, feature in features.items()}

    def rows(self, split: str, place: Place | None) -> Generator[tuple[Row, Callable[[], Place]]]:
        """Rows from a place on, each with what tells the place behind it; raises `DataError`.

        The picture is a mapping of `bytes` and `path`, one of which may be None.
        """
        from datasets import Image

        with self._told():
            stream = self._stream(split)
            stream = stream.cast_column(self.selection.image_column, Image(decode=False))
            if place is not None:
                stream.load_state_dict(place)
            # Left to the end of the interpreter, an open reader fails there.
            with closing(iter(stream)) as rows:
                for row in rows:
                    yield row, stream.state_dict

    def picture(self, row: Row) -> bytes | None:
        """The bytes of a row's picture; None where the row has none that can be read.

        A file that a row names is read only where it belongs to the set.
        """
        held = row[self.selection.image_column]
        if held is None or held["bytes"] is not None:
            return None if held is None else held["bytes"]
        return None if held["path"] is None else self._read(held["path"])

    def _read(self, path: str) -> bytes | None:
        import fsspec
        import httpx

        if not self._is_own(path):
            return None
        try:
            with fsspec.open(path, "rb") as file:
                return bytes(file.read())
        except (OSError, ValueError, zipfile.BadZipFile, httpx.HTTPError):
            return None

    def _is_own(self, path: str) -> bool:
        """Whether a file, or the archive that it lies in, is one of the set's."""
        outermost = path.rpartition("::")[2]
        name = self.selection.path
        if self.is_local:
            return Path(outermost).resolve().is_relative_to(Path(name).resolve())
        return outermost.startswith((f"hf://datasets/{name}@", f"hf://datasets/{name}/"))

    def _stream(self, split: str) -> IterableDataset:
        from datasets import load_dataset

        name = self.selection.config_name
        return load_dataset(name=name, split=split, streaming=True, **self._source)

    @property
    def _source(self) -> dict[str, Any]:
        revision = None if self.is_local else self.version
        return {"path": self.selection.path, "revision": revision}

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what the libraries raise for an absent or unreachable set into one line."""
        import httpx
        import yaml
        from datasets import logging
        from datasets.exceptions import DatasetsError
        from pyarrow import ArrowException

        faults = (OSError, ValueError, TypeError, KeyError, RuntimeError, zipfile.BadZipFile)
        logging.set_verbosity(logging.CRITICAL)
        try:
            yield
        except (ConfigError, DataError):
            raise
        except (
            *faults,
            DatasetsError,
            ArrowException,
            httpx.HTTPError,
            yaml.YAMLError,
        ) as error:
            told = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(
                f"dataset.path={self.selection.path}: cannot be read ({told}); mend it, or give "
                "the same command again to go on"
            ) from error


def _files(folder: str) -> list[Path]:
    """Everything in a local set that is not hidden."""
    found = sorted(Path(folder).rglob("*"))
    return [file for file in found if file.is_file() and not file.name.startswith(".")]


def _check_files(folder: str) -> None:
    """Raise `DataError` for a parquet file that is none; the library does not say which."""
    for file in _files(folder):
        if file.suffix != ".parquet":
            continue
        with file.open("rb") as opened:
            start = opened.read(64)
            opened.seek(max(0, file.stat().st_size - len(PARQUET)))
            end = opened.read()
        kind = pointer(start)
        if kind is not None:
            raise DataError(f"{file}: this is {kind}, not the file; {FETCH}")
        if not start.startswith(PARQUET) or end != PARQUET:
            raise DataError(f"{file}: no whole parquet file; fetch it again")


def _column(feature: Any) -> Column:
    """What a feature of `datasets` is, or the elements of one that is a list."""
    from datasets import ClassLabel, Image, LargeList, List, Value

    if isinstance(feature, List | LargeList):
        return _column(feature.feature)
    if isinstance(feature, Image) or (isinstance(feature, dict) and "bytes" in feature):
        return Column(Kind.picture)
    if isinstance(feature, ClassLabel):
        return Column(Kind.label, tuple(feature.names))
    if isinstance(feature, Value):
        return Column(_kind(feature.dtype))
    return Column(Kind.other)


def _kind(dtype: str) -> Kind:
    if dtype in BYTES:
        return Kind.picture
    if dtype in TEXTS:
        return Kind.text
    return Kind.number if dtype.startswith(NUMBERS) else Kind.other
