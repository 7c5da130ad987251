"""The pictures that a run's report shows."""

import json
from dataclasses import dataclass
from pathlib import Path

from sdexp.ground.rows import PictureRow
from sdexp.ground.run import EvaluationFolder, RunFolder
from sdexp.pages.run.facts import Facts
from sdexp.pages.thumbnails import Thumbnail, thumbnail
from sdexp.pages.words import number


@dataclass(frozen=True)
class Triple:
    """One prompt's pictures: original, finetuned and the real one, where there are any."""

    caption: str
    original: Thumbnail
    finetuned: Thumbnail
    reference: Thumbnail | None
    note: str

    @property
    def thumbnails(self) -> list[Thumbnail]:
        found = [self.original, self.finetuned, self.reference]
        return [one for one in found if one is not None]


def triples(folder: EvaluationFolder, facts: Facts, count: int = 9) -> list[Triple]:
    """The first pictures of `count` prompts; the order of prompts is that of a hash, so a draw."""
    return [_triple(folder, facts, row, "") for row in _first(facts, "original")[:count]]


def extremes(
    folder: EvaluationFolder, facts: Facts, count: int = 3
) -> tuple[str, list[Triple], list[Triple]]:
    """(metric, best, worst) by difference of the first per-picture metric, over all replicates.

    A prompt is shown by that replicate which gained, or lost, the most.
    """
    originals = [row for row in facts.rows if row.model == "original"]
    if facts.scores is None or not originals:
        return "", [], []
    scored = [name for name in facts.scores.metrics if name in originals[0].scores]
    if not scored:
        return "", [], []
    name = scored[0]
    sign = 1 if facts.scores.metrics[name].higher_is_better else -1
    finetuned = {_place(r): r.scores[name] for r in facts.rows if r.model == "finetuned"}
    gains = [(finetuned[_place(row)] - row.scores[name], row) for row in originals]
    gains.sort(key=lambda pair: (-sign * pair[0], _place(pair[1])))
    best = _one_for_each_prompt(gains)
    worst = _one_for_each_prompt(gains[::-1])
    count = min(count, len(best) // 2)

    def shown(chosen: list[tuple[float, PictureRow]]) -> list[Triple]:
        return [
            _triple(folder, facts, row, f"{name} {number(gain, True)}")
            for gain, row in chosen[:count]
        ]

    return name, shown(best), shown(worst)


def _place(row: PictureRow) -> tuple[str, int]:
    return row.prompt_id, row.replicate


def _one_for_each_prompt(gains: list[tuple[float, PictureRow]]) -> list[tuple[float, PictureRow]]:
    """The first of each prompt."""
    first: dict[str, tuple[float, PictureRow]] = {}
    for gain, row in gains:
        first.setdefault(row.prompt_id, (gain, row))
    return list(first.values())


def _first(facts: Facts, model: str) -> list[PictureRow]:
    """A model's rows of replicate 0."""
    return [row for row in facts.rows if row.replicate == 0 and row.model == model]


def _triple(folder: EvaluationFolder, facts: Facts, row: PictureRow, note: str) -> Triple:
    made = f"{row.prompt_id}_{row.replicate}.png"
    real = folder.images("reference")
    without = facts.scores is not None and facts.scores.n_split == 0
    has_real = real.is_dir() or not (facts.record.of_folders or without)
    return Triple(
        caption=row.caption,
        original=thumbnail(folder.images("original") / made),
        finetuned=thumbnail(folder.images("finetuned") / made),
        reference=thumbnail(real / f"{row.prompt_id}.png") if has_real else None,
        note=note,
    )


@dataclass(frozen=True)
class Pair:
    """A finetuned picture beside the training picture that it is nearest to."""

    caption: str
    made: Thumbnail
    trained: Thumbnail
    name: str
    cosine: float
    too_near: bool


def nearest_pairs(folder: EvaluationFolder, facts: Facts, count: int = 6) -> list[Pair]:
    """The pairs that lie nearest to each other, with those that lie too near first."""
    copying = facts.scores.guards.copying if facts.scores else None
    pairs = copying.nearest if copying else []
    return [
        Pair(
            pair.caption,
            thumbnail(folder.path / pair.path),
            thumbnail(folder.path / pair.training_path),
            pair.training_picture,
            pair.cosine,
            pair.too_near,
        )
        for pair in sorted(pairs, key=lambda pair: not pair.too_near)[:count]
    ]


def validation_rows(run: RunFolder) -> tuple[list[str], list[tuple[int, list[Thumbnail]]]]:
    """(prompts, [(step, pictures)]), step 0 first."""
    if not run.validation.is_dir():
        return [], []
    steps = sorted(path for path in run.validation.iterdir() if path.name.isdecimal())
    rows = [(int(path.name), [thumbnail(file) for file in _in_order(path)]) for path in steps]
    return _prompts(run.validation / "prompts.json"), rows


def _in_order(folder: Path) -> list[Path]:
    files = [file for file in folder.glob("*.png") if file.stem.isdecimal()]
    return sorted(files, key=lambda file: int(file.stem))


def _prompts(path: Path) -> list[str]:
    try:
        prompts = json.loads(path.read_text())
    except (OSError, ValueError):
        return []
    return [str(prompt) for prompt in prompts] if isinstance(prompts, list) else []
