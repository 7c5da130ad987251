"""A set of the Hub, or local files of the same formats, read row by row with `datasets`."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdexp.dataset.selection import Labels, Row, Selection
from sdexp.ground.assets import hub_is_reachable
from sdexp.ground.errors import ConfigError, DataError

if TYPE_CHECKING:
    from datasets import IterableDataset

# What `datasets` names of a place in a stream.
Place = dict[str, Any]


class Published:
    """The set that a selection is of; rows come as they lie there, pictures not decoded."""

    def __init__(self, selection: Selection) -> None:
        self.selection = selection

    def check(self) -> None:
        """Raise `DataError` unless the set can be reached and has what the selection names."""
        self.check_reachable()
        name = self.splits()[0]
        features = self.features(name)
        self.selection.check(list(features), self.labels(name))
        image = features[self.selection.image_column]
        kind = type(image).__name__
        if kind != "Image" and getattr(image, "dtype", "") not in ("binary", "large_binary"):
            raise DataError(
                f"dataset.image_column={self.selection.image_column}: holds no pictures but "
                f"{kind}; name the column of the pictures"
            )

    def check_reachable(self) -> None:
        """Raise `DataError` for a path that is neither a folder nor a Hub id that may be asked."""
        path = self.selection.path
        if self.is_local:
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
        return Path(self.selection.path).expanduser().is_dir()

    @cached_property
    def revision(self) -> str | None:
        """The commit that the set stands at; None for a folder."""
        if self.is_local:
            return None
        from huggingface_hub import HfApi

        with self._told():
            named = self.selection.revision
            return HfApi().dataset_info(self.selection.path, revision=named).sha

    def splits(self) -> list[str]:
        """The splits as the set names them."""
        from datasets import get_dataset_split_names

        with self._told():
            return get_dataset_split_names(config_name=self.selection.config_name, **self._source)

    def features(self, split: str) -> Any:
        """Columns and what they hold."""
        with self._told():
            return self._stream(split).features

    def labels(self, split: str) -> Labels:
        """The names of labels, of each column that has them."""
        features = self.features(split)
        inner = {column: getattr(kind, "feature", kind) for column, kind in features.items()}
        return {column: kind.names for column, kind in inner.items() if hasattr(kind, "names")}

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
        """The bytes of a row's picture; None where the row has none."""
        import fsspec

        held = row[self.selection.image_column]
        if held is None or held["bytes"] is not None:
            return None if held is None else held["bytes"]
        if held["path"] is None:
            return None
        with self._told(), fsspec.open(held["path"], "rb") as file:
            return bytes(file.read())

    def _stream(self, split: str) -> IterableDataset:
        from datasets import load_dataset

        return load_dataset(
            name=self.selection.config_name, split=split, streaming=True, **self._source
        )

    @property
    def _source(self) -> dict[str, Any]:
        path = self.selection.path
        return {
            "path": os.path.expanduser(path) if self.is_local else path,
            "revision": self.revision,
        }

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what the libraries raise for an absent or unreachable set into one line."""
        import httpx
        from datasets.exceptions import DatasetsError
        from pyarrow import ArrowException

        try:
            yield
        except (ConfigError, DataError):
            raise
        except (OSError, ValueError, DatasetsError, ArrowException, httpx.HTTPError) as error:
            told = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(
                f"dataset.path={self.selection.path}: cannot be read ({told}); mend it, or give "
                "the same command again to go on"
            ) from error
