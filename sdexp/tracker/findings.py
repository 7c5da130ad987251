"""What a folder came to, as trackers are told it: evaluations, and the table of a sweep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdexp.ground.files import file_sha256
from sdexp.ground.record_files import read_record
from sdexp.ground.records import EvaluationRecord, ToldRecord
from sdexp.ground.rows import read_rows
from sdexp.ground.run import MODELS, EvaluationFolder, RunFolder
from sdexp.ground.score_records import ScoresRecord

if TYPE_CHECKING:
    from pathlib import Path

    from PIL.Image import Image

FIELDS = ("original", "finetuned", "difference", "p")
ENDS = ("low", "high")
TABLE_ROWS = 64


@dataclass(frozen=True)
class Finding:
    """Numbers and a table.

    key: its name in the folder; digest: of what it was read from; step: how long the weights had
    trained, None where only the log says it.
    """

    key: str
    digest: str
    step: int | None
    values: dict[str, float]
    table: str
    columns: list[str]
    rows: list[list[Any]]


def findings(run: RunFolder, held: dict[str, str]) -> Iterator[Finding]:
    """Everything that is whole and not among `held`, digests by key."""
    for key, folder, step in _evaluations(run):
        digest = file_sha256(folder.scores)
        if (key, digest) not in held.items():
            scores = _scores(key, folder)
            yield Finding(key, digest, step, scores, f"{key}/pairs", *_pairs(folder))
    if run.told.is_file() and ("", file_sha256(run.told)) not in held.items():
        told = read_record(run.told, ToldRecord)
        yield Finding("", file_sha256(run.told), None, {}, told.table, told.columns, told.rows)


def _evaluations(run: RunFolder) -> Iterator[tuple[str, EvaluationFolder, int | None]]:
    if run.scores.is_file():
        yield "evaluation", run, None
    for file in sorted(run.evaluations.glob("*/evaluation.json")):
        record = read_record(file, EvaluationRecord)
        if record.evaluation is not None:
            name = file.parent.name
            yield f"evaluations/{name}", run.evaluation(name), record.steps


def _scores(key: str, folder: EvaluationFolder) -> dict[str, float]:
    """Each metric of both models, their difference with its interval and its p; the guards."""
    scores = read_record(folder.scores, ScoresRecord)
    told = {
        f"{key}/{name}/{kind}": getattr(metric, kind)
        for name, metric in scores.metrics.items()
        for kind in FIELDS
    }
    for name, metric in scores.metrics.items():
        if metric.ci95:
            told |= {f"{key}/{name}/ci95_{end}": metric.ci95[k] for k, end in enumerate(ENDS)}
    told |= {f"{key}/drift/{name}": drift.value for name, drift in scores.drift.items()}
    general = scores.guards.general.items()
    told |= {f"{key}/general/{name}/difference": metric.difference for name, metric in general}
    copying = scores.guards.copying
    return told if copying is None else told | {f"{key}/copies/share": copying.share.value}


def _pairs(folder: EvaluationFolder) -> tuple[list[str], list[list[Any]]]:
    """Both pictures of a prompt, the real one where there is one, and their scores."""
    rows = read_rows(folder.per_image)
    half = len(rows) // 2
    metrics = list(rows[0].scores)
    real = folder.images("reference")
    columns = ["prompt", "replicate", *MODELS, *(["real"] if real.is_dir() else [])]
    columns += [f"{name} {model}" for name in metrics for model in MODELS]
    table = []
    for pair in list(zip(rows[:half], rows[half:], strict=True))[:TABLE_ROWS]:
        images = [picture(folder.path / row.path) for row in pair]
        if real.is_dir():
            images.append(picture(real / f"{pair[0].prompt_id}.png"))
        numbers = [row.scores[name] for name in metrics for row in pair]
        table.append([pair[0].caption, pair[0].replicate, *images, *numbers])
    return columns, table


def picture(file: Path) -> Image:
    """A picture, read whole."""
    from PIL import Image

    with Image.open(file) as image:
        image.load()
        return image
