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
    """(metric, best, worst): by difference of the first per-picture metric, at replicate 0."""
    originals = _first(facts, "original")
    if facts.scores is None or not originals:
        return "", [], []
    scored = [name for name in facts.scores.metrics if name in originals[0].scores]
    if not scored:
        return "", [], []
    name = scored[0]
    sign = 1 if facts.scores.metrics[name].higher_is_better else -1
    finetuned = {row.prompt_id: row.scores[name] for row in _first(facts, "finetuned")}
    gains = [(finetuned[row.prompt_id] - row.scores[name], row) for row in originals]
    gains.sort(key=lambda pair: (-sign * pair[0], pair[1].prompt_id))
    count = min(count, len(gains) // 2)
    told = [(row, f"{name} {number(gain, True)}") for gain, row in gains]
    best = [_triple(folder, facts, row, note) for row, note in told[:count]]
    worst = [_triple(folder, facts, row, note) for row, note in told[::-1][:count]]
    return name, best, worst


def _first(facts: Facts, model: str) -> list[PictureRow]:
    """A model's rows of replicate 0."""
    return [row for row in facts.rows if row.replicate == 0 and row.model == model]


def _triple(folder: EvaluationFolder, facts: Facts, row: PictureRow, note: str) -> Triple:
    made = f"{row.prompt_id}_0.png"
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
