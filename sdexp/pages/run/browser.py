"""Every pair of an evaluation, to be sorted, filtered and looked at closely."""

from dataclasses import dataclass

from sdexp.ground.rows import PictureRow
from sdexp.ground.run import MODELS, EvaluationFolder
from sdexp.pages.run.facts import Facts
from sdexp.pages.thumbnails import Thumbnail, thumbnail
from sdexp.pages.words import number

# Pairs of a page, so that it stays small; all stand in per_image.parquet.
LISTED = 128
SIDE = 160


@dataclass(frozen=True)
class Shown:
    """A picture under what it shows; file: below the folder of the evaluation, None if missing."""

    name: str
    file: str | None
    picture: Thumbnail


@dataclass(frozen=True)
class Card:
    """A prompt's pair of one replicate.

    scores: a line for each metric; values: what `Browser.orders` sorts by.
    """

    caption: str
    sample_id: str
    replicate: int
    pictures: list[Shown]
    scores: list[str]
    values: list[float]

    @property
    def is_whole(self) -> bool:
        """Whether both models' pictures can be shown."""
        return all(one.file for one in self.pictures if one.name in MODELS)


@dataclass(frozen=True)
class Browser:
    """orders: (words, place among a card's values, 1 for upwards); total: how many pairs exist."""

    cards: list[Card]
    orders: list[tuple[str, int, int]]
    replicates: int
    total: int

    @property
    def thumbnails(self) -> list[Thumbnail]:
        return [one.picture for card in self.cards for one in card.pictures]


def browser_of(folder: EvaluationFolder, facts: Facts) -> Browser:
    """The first pairs in the order of prompt ids, which is that of a hash, so a draw."""
    finetuned = {_place(row): row for row in facts.rows if row.model == "finetuned"}
    pairs = [(row, finetuned[_place(row)]) for row in facts.rows if row.model == "original"]
    pairs.sort(key=lambda pair: _place(pair[0]))
    metrics = list(pairs[0][0].scores) if pairs else []
    signs = {name: _sign(facts, name) for name in metrics}
    return Browser(
        [_card(folder, signs, *pair) for pair in pairs[:LISTED]],
        _orders(metrics),
        1 + max((row.replicate for row, _ in pairs), default=0),
        len(pairs),
    )


def _place(row: PictureRow) -> tuple[str, int]:
    return row.prompt_id, row.replicate


def _sign(facts: Facts, metric: str) -> int:
    """1 where more is better."""
    records = facts.scores.metrics if facts.scores else {}
    return -1 if metric in records and not records[metric].higher_is_better else 1


def _orders(metrics: list[str]) -> list[tuple[str, int, int]]:
    """For each metric by what was gained and by the finetuned model's score, both ways."""
    orders = []
    for k, name in enumerate(metrics):
        orders += [(f"{name}: gained most", 2 * k, -1), (f"{name}: lost most", 2 * k, 1)]
        orders += [(f"{name}: highest", 2 * k + 1, -1), (f"{name}: lowest", 2 * k + 1, 1)]
    return orders


def _card(
    folder: EvaluationFolder, signs: dict[str, int], original: PictureRow, finetuned: PictureRow
) -> Card:
    scores = []
    values = []
    for name, sign in signs.items():
        before = original.scores[name]
        after = finetuned.scores[name]
        change = number(after - before, signed=True)
        scores.append(f"{name} {number(before)} → {number(after)} ({change})")
        values += [sign * (after - before), after]
    files = {"original": original.path, "finetuned": finetuned.path}
    real = folder.images("reference") / f"{original.prompt_id}.png"
    if real.is_file():
        files["real"] = real.relative_to(folder.path).as_posix()
    pictures = [_shown(folder, name, file) for name, file in files.items()]
    return Card(original.caption, original.sample_id, original.replicate, pictures, scores, values)


def _shown(folder: EvaluationFolder, name: str, file: str) -> Shown:
    picture = thumbnail(folder.path / file, SIDE, "WEBP")
    return Shown(name, file if picture.data else None, picture)
