"""Every prompt of an evaluation with its scores and pictures."""

from dataclasses import dataclass

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
    order = dict.fromkeys((row.sample_id, row.prompt_id, row.caption) for row in facts.rows)
    lines = [
        PromptLine(
            sample_id,
            caption,
            [_means(facts, prompt_id, metric) for metric in metrics],
            _files(folder, prompt_id),
        )
        for sample_id, prompt_id, caption in sorted(order)[:LISTED]
    ]
    return PromptTable(metrics, lines, len(order))


def _means(facts: Facts, prompt_id: str, metric: str) -> tuple[float, float]:
    """Of original and finetuned."""
    found = []
    for model in ("original", "finetuned"):
        rows = [row for row in facts.rows if row.prompt_id == prompt_id and row.model == model]
        found.append(sum(row.scores[metric] for row in rows) / len(rows))
    return found[0], found[1]


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
