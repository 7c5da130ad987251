"""What a folder came to, as trackers are told it: evaluations, pages, the table of a sweep."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdexp.ground.files import file_sha256
from sdexp.ground.record_files import read_record
from sdexp.ground.records import EvaluationRecord, ToldRecord
from sdexp.ground.rows import read_rows
from sdexp.ground.run import MODELS, EvaluationFolder, RunFolder
from sdexp.ground.score_records import ScoresRecord

if TYPE_CHECKING:
    from PIL.Image import Image

FIELDS = ("original", "finetuned", "difference", "p")
ENDS = ("low", "high")
TABLE_ROWS = 64
# The key of a page.
REPORT = "report"


@dataclass(frozen=True)
class Table:
    """Rows under the names of their columns; a cell may be a number, a text or a picture."""

    name: str
    columns: list[str]
    rows: list[list[Any]]


@dataclass(frozen=True)
class Finding:
    """Numbers, words, a table or a page.

    key: its name in the folder; digest: of what it was read from; step: how long the weights had
    trained, None where only the log says it.
    """

    key: str
    digest: str
    step: int | None
    values: dict[str, float] = field(default_factory=dict)
    words: dict[str, str] = field(default_factory=dict)
    table: Table | None = None
    page: Path | None = None


def findings(run: RunFolder, held: dict[str, str], is_over: bool = True) -> Iterator[Finding]:
    """Everything that is whole and not among `held`, digests by key.

    is_over: whether the command has ended well; pages, which it writes last, are looked for then.
    """
    for key, folder, step in _evaluations(run):
        if digest := _new(key, folder.scores, held):
            scores = read_record(folder.scores, ScoresRecord)
            told = _numbers(key, scores), _words(key, scores)
            yield Finding(key, digest, step, *told, _pairs(f"{key}/pairs", folder))
    for key, folder, step in [(REPORT, run, None), *_beside(run)] if is_over else []:
        name = key if folder is run else f"{key}/{REPORT}"
        if folder.report_html.is_file() and (digest := _new(name, folder.report_html, held)):
            yield Finding(name, digest, step, page=folder.report_html)
    if run.told.is_file() and (digest := _new("", run.told, held)):
        record = read_record(run.told, ToldRecord)
        table = Table(record.table, record.columns, record.rows)
        yield Finding("", digest, None, table=table)


def _new(key: str, file: Path, held: dict[str, str]) -> str:
    """The digest of a file, "" where it is held."""
    digest = file_sha256(file)
    return "" if (key, digest) in held.items() else digest


def _evaluations(run: RunFolder) -> Iterator[tuple[str, EvaluationFolder, int | None]]:
    if run.scores.is_file():
        yield "evaluation", run, None
    yield from _beside(run)


def _beside(run: RunFolder) -> Iterator[tuple[str, EvaluationFolder, int | None]]:
    for file in sorted(run.evaluations.glob("*/evaluation.json")):
        record = read_record(file, EvaluationRecord)
        if record.evaluation is not None:
            name = file.parent.name
            yield f"evaluations/{name}", run.evaluation(name), record.steps


def _numbers(key: str, scores: ScoresRecord) -> dict[str, float]:
    """Each metric of both models, their difference with its interval and its p; the guards."""
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


def _words(key: str, scores: ScoresRecord) -> dict[str, str]:
    """The verdict on each metric, and on the declared one."""
    verdicts = {f"{key}/{name}/verdict": str(m.verdict) for name, m in scores.metrics.items()}
    verdict = "control" if scores.control else str(scores.primary_metric.verdict)
    return verdicts | {f"{key}/primary": scores.primary, f"{key}/verdict": verdict}


def _pairs(name: str, folder: EvaluationFolder) -> Table:
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
    return Table(name, columns, table)


def picture(file: Path) -> Image:
    """A picture, read whole."""
    from PIL import Image

    with Image.open(file) as image:
        image.load()
        return image
