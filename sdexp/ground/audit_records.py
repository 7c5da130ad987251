"""What an audit of a data set found, as it stands in audit.json."""

from dataclasses import dataclass

from sdexp.ground.records import SplitRecord

# Rows of a list on the page; the whole list lies beside it.
LISTED = 100


@dataclass(frozen=True)
class PrepareRequest:
    """request.json of `sdexp.prepare`; captioner: None where no captions are asked for."""

    command: str
    fetch: bool
    captioner: str | None
    num_beams: int
    min_new_tokens: int
    max_new_tokens: int
    fill_store: bool


@dataclass(frozen=True)
class Shown:
    """A picture of a split as a page shows it; file: below the audit's folder."""

    split: str
    sample_id: str
    caption: str
    file: str


@dataclass(frozen=True)
class Twin:
    """Two pictures of different splits that look the same; difference: mean of grey levels."""

    first: Shown
    second: Shown
    difference: float


@dataclass(frozen=True)
class Doubt:
    """A caption that may be none, and why."""

    split: str
    sample_id: str
    caption: str
    reason: str

    @property
    def kind(self) -> str:
        """The reason without what is particular to one caption."""
        return self.reason.partition(":")[0]


@dataclass(frozen=True)
class AuditRecord:
    """audit.json.

    done: what was fetched, captioned or stored; short_sides, ratios and words: how many pictures
    (captions) have that shorter side in pixels, width over height in steps of 0.1, number of words;
    twins and doubts: no more than a page shows, beside their whole number, doubts by reason.
    """

    resolution: int
    done: list[str]
    splits: dict[str, SplitRecord]
    short_sides: dict[int, int]
    ratios: dict[float, int]
    words: dict[int, int]
    samples: list[Shown]
    twins: list[Twin]
    num_twins: int
    doubts: list[Doubt]
    doubt_counts: dict[str, int]
