"""Which rows of a published set become captioned pictures, and how their captions read."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from string import Formatter
from typing import Any

from sdexp.ground.build import did_you_mean
from sdexp.ground.checks import at_least, require
from sdexp.ground.errors import DataError
from sdexp.ground.texts import unspoiled

Row = Mapping[str, Any]


class Kind(StrEnum):
    """What a column holds; `other` is nothing that a caption could be made of."""

    picture = "pictures"
    text = "text"
    label = "labels"
    number = "numbers"
    other = "something else"


@dataclass(frozen=True)
class Column:
    """A column by what it, or each element of its lists, holds; labels: their names."""

    kind: Kind
    labels: Sequence[str] = ()


Columns = Mapping[str, Column]


@dataclass(frozen=True)
class Selection:
    """Rows of a set on the Hub, or of a folder that `datasets` reads.

    path: a Hub id or a local folder; where: values that columns must have, labels by name;
    caption_template: words with columns in braces, in place of `caption_column`. Raises
    `ValueError` unless captions come from exactly one of the two.
    """

    path: str
    revision: str | None
    config_name: str | None
    image_column: str
    caption_column: str | None
    caption_template: str | None
    where: Mapping[str, str]
    max_pictures: int | None

    def __post_init__(self) -> None:
        at_least("dataset", 1, max_pictures=self.max_pictures)
        if (self.caption_column is None) == (self.caption_template is None):
            raise ValueError(
                f"dataset.caption_column={self.caption_column} beside "
                f"caption_template={self.caption_template}: set one of them, the other to null"
            )
        assert self.caption_columns

    @property
    def caption_columns(self) -> list[str]:
        """What captions are made of; raises `ValueError` for a template that cannot be filled."""
        if self.caption_template is None:
            return [str(self.caption_column)]
        allowed = "words with columns in braces, such as 'a {style} painting'"
        try:
            parts = list(Formatter().parse(self.caption_template))
        except ValueError:
            parts = []
        names = [name for _, name, _, _ in parts if name is not None]
        plain = all(not form and how is None for _, name, form, how in parts if name is not None)
        fits = bool(names) and plain and all(name.isidentifier() for name in names)
        require("dataset", fits, "caption_template", self.caption_template, allowed)
        return names

    @property
    def digest(self) -> str:
        """Another one for other rows or captions."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:12]

    def check(self, columns: Columns) -> None:
        """Raise `DataError` for columns that the set lacks or that hold something else."""
        captions = "caption_column" if self.caption_column else "caption_template"
        self._check_column("image_column", self.image_column, columns, (Kind.picture,))
        # Numbers as captions are most likely labels whose names are lost.
        told = (Kind.text, Kind.label)
        allowed = told if self.caption_column else (*told, Kind.number)
        for name in self.caption_columns:
            self._check_column(captions, name, columns, allowed)
        for name, value in self.where.items():
            self._check_column("where", name, columns, (*told, Kind.number))
            labels = columns[name].labels
            if labels and value not in labels:
                raise DataError(
                    f"dataset.where.{name}={value}: {self.path} knows no such {name}; "
                    f"{did_you_mean(value, list(labels))}"
                )

    def _check_column(
        self, key: str, name: str, columns: Columns, allowed: tuple[Kind, ...]
    ) -> None:
        if name not in columns:
            raise DataError(
                f"dataset.{key}: {self.path} has no column '{name}'; it has: {', '.join(columns)}"
            )
        if columns[name].kind not in allowed:
            raise DataError(
                f"dataset.{key}: the column '{name}' of {self.path} holds {columns[name].kind}; "
                f"name one that holds {' or '.join(allowed)}"
            )

    def takes(self, row: Row, columns: Columns) -> bool:
        """Whether a row has all values that are asked for; of a list one element is enough."""
        return all(
            value in [_named(one, columns[name]) for one in _several(row[name])]
            for name, value in self.where.items()
        )

    def captions(self, row: Row, columns: Columns) -> Any:
        """One caption of a row or a list of them; None where a word of it is missing."""
        if self.caption_template is None:
            column = columns[str(self.caption_column)]
            said = row[str(self.caption_column)]
            if not column.labels or said is None:
                return said
            return [_words(one, column) for one in _several(said)]
        words = {name: _words(row[name], columns[name]) for name in self.caption_columns}
        if not all(words.values()):
            return None
        return self.caption_template.format_map(words)


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _named(value: Any, column: Column) -> str:
    """A value as a person names it."""
    is_label = isinstance(value, int) and 0 <= value < len(column.labels)
    return column.labels[value] if is_label else str(value)


def _words(value: Any, column: Column) -> str:
    """A value as words of a caption: `Post_Impressionism` as two, `Unknown Artist` as any."""
    if value is None:
        return ""
    names = [unspoiled(_named(one, column)) for one in _several(value)]
    words = [name.replace("_", " ").replace("-", " ").strip() for name in names]
    return ", ".join(
        f"an {one.lower()}" if one.lower().startswith("unknown ") else one for one in words
    )
