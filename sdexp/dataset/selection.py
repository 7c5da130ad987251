"""Which rows of a published set become captioned pictures, and how their captions read."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from string import Formatter
from typing import Any

from sdexp.ground.build import did_you_mean
from sdexp.ground.checks import at_least, require
from sdexp.ground.errors import DataError
from sdexp.ground.texts import unspoiled

Row = Mapping[str, Any]
# Names of labels by column.
Labels = Mapping[str, Sequence[str]]


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

    def check(self, columns: Sequence[str], labels: Labels) -> None:
        """Raise `DataError` for columns that the set lacks, and labels that it does not know."""
        named = {
            "image_column": [self.image_column],
            "caption_column" if self.caption_column else "caption_template": self.caption_columns,
            "where": list(self.where),
        }
        for key, wanted in named.items():
            for column in wanted:
                if column not in columns:
                    raise DataError(
                        f"dataset.{key}: {self.path} has no column '{column}'; "
                        f"it has: {', '.join(columns)}"
                    )
        for column, value in self.where.items():
            if column in labels and value not in labels[column]:
                hint = did_you_mean(value, list(labels[column]))
                raise DataError(
                    f"dataset.where.{column}={value}: {self.path} knows no such {column}; {hint}"
                )

    def takes(self, row: Row, labels: Labels) -> bool:
        """Whether a row has all values that are asked for."""
        return all(
            _named(column, row[column], labels) == value for column, value in self.where.items()
        )

    def captions(self, row: Row, labels: Labels) -> Any:
        """One caption of a row or a list of them; None where a word of it is missing."""
        if self.caption_template is None:
            return row[str(self.caption_column)]
        words = {name: _words(name, row[name], labels) for name in self.caption_columns}
        if not all(words.values()):
            return None
        return self.caption_template.format_map(words)


def _named(column: str, value: Any, labels: Labels) -> str:
    """A value as a person names it."""
    is_label = column in labels and isinstance(value, int) and 0 <= value < len(labels[column])
    return labels[column][value] if is_label else str(value)


def _words(column: str, value: Any, labels: Labels) -> str:
    """A value as words of a caption: `Post_Impressionism` as two."""
    if value is None:
        return ""
    several = value if isinstance(value, list) else [value]
    names = [unspoiled(_named(column, one, labels)) for one in several]
    return ", ".join(name.replace("_", " ").replace("-", " ").strip() for name in names)
