"""Every prompt of an evaluation with its scores and pictures."""

from dataclasses import dataclass
from statistics import fmean

from sdexp.ground.rows import PictureRow
from sdexp.ground.run import EvaluationFolder
from sdexp.pages.run.facts import Facts

# Rows of a page; all stand in per_image.parquet.
LISTED = 200


@dataclass(frozen=True)
class PromptLine:
    """A prompt: means over replicates by metric, (original, finetuned); files by what they show.

    files: below the folder of the evaluation.
    """

    sample_id: str
    caption: str
    scores: list[tuple[float, float]]
    files: dict[str, str]


@dataclass(frozen=True)
class PromptTable:
    """metrics: those that score single pictures; total: how many prompts there are."""

    metrics: list[str]
    lines: list[PromptLine]
    total: int


def prompt_table(folder: EvaluationFolder, facts: Facts) -> PromptTable:
    """The first prompts in the order of their names."""
    metrics = list(facts.rows[0].scores) if facts.rows else []
    by_prompt: dict[tuple[str, str], list[PictureRow]] = {}
    for row in facts.rows:
        by_prompt.setdefault((row.sample_id, row.prompt_id), []).append(row)
    lines = [
        PromptLine(
            sample_id,
            rows[0].caption,
            [(_mean(rows, "original", name), _mean(rows, "finetuned", name)) for name in metrics],
            _files(folder, prompt_id),
        )
        for (sample_id, prompt_id), rows in sorted(by_prompt.items())[:LISTED]
    ]
    return PromptTable(metrics, lines, len(by_prompt))


def _mean(rows: list[PictureRow], model: str, metric: str) -> float:
    return fmean(row.scores[metric] for row in rows if row.model == model)


def _files(folder: EvaluationFolder, prompt_id: str) -> dict[str, str]:
    """Pictures that are there; of several replicates the first."""
    files = {
        "original": folder.images("original") / f"{prompt_id}_0.png",
        "finetuned": folder.images("finetuned") / f"{prompt_id}_0.png",
        "real": folder.images("reference") / f"{prompt_id}.png",
    }
    return {
        name: file.relative_to(folder.path).as_posix()
        for name, file in files.items()
        if file.is_file()
    }
