"""The same prompts over all runs of a sweep."""

from dataclasses import dataclass
from pathlib import Path

from sdexp.ground.rows import PictureRow
from sdexp.pages.sweep.facts import JobFacts, Sweep
from sdexp.pages.sweep.ranking import listed
from sdexp.pages.thumbnails import Thumbnail, thumbnail

PROMPTS = 6
SIDE = 160


@dataclass(frozen=True)
class PictureGrid:
    """Columns as (head, words below), and rows as (caption, pictures)."""

    columns: list[tuple[str, str]]
    rows: list[tuple[str, list[Thumbnail]]]


def side_by_side(sweep: Sweep) -> PictureGrid | None:
    """The first prompts that all finished runs share; None when they share none."""
    jobs = [job for job in sweep.jobs if job.scores and job.facts.rows]
    rows = {job.number: _first_rows(job) for job in jobs}
    if not jobs:
        return None
    common = set.intersection(*(set(found) for found in rows.values()))
    prompts = sorted(common)[:PROMPTS]
    if not prompts:
        return None
    originals = _distinct_originals(jobs, rows, prompts)
    columns = [("real", "")]
    for sharing in originals:
        which = "" if len(originals) == 1 else f"of jobs {listed([job.number for job in sharing])}"
        columns.append(("original", which))
    columns += [(f"job {job.number}", sweep.label(job, with_seed=True)) for job in jobs]
    table = []
    for prompt in prompts:
        paths = [jobs[0].run.images("reference") / f"{prompt}.png"]
        paths += [_path(sharing[0], "original", prompt) for sharing in originals]
        paths += [_path(job, "finetuned", prompt) for job in jobs]
        pictures = [thumbnail(path, SIDE) for path in paths]
        table.append((rows[jobs[0].number][prompt].caption, pictures))
    return PictureGrid(columns, table)


def _first_rows(job: JobFacts) -> dict[str, PictureRow]:
    """The original's rows of replicate 0 by prompt."""
    rows = [row for row in job.facts.rows if row.replicate == 0 and row.model == "original"]
    return {row.prompt_id: row for row in rows}


def _distinct_originals(
    jobs: list[JobFacts], rows: dict[int, dict[str, PictureRow]], prompts: list[str]
) -> list[list[JobFacts]]:
    """Jobs whose original made the same pictures, together."""
    found: dict[tuple[str, ...], list[JobFacts]] = {}
    for job in jobs:
        key = tuple(rows[job.number][prompt].pixel_sha256 for prompt in prompts)
        found.setdefault(key, []).append(job)
    return list(found.values())


def _path(job: JobFacts, model: str, prompt: str) -> Path:
    return job.run.images(model) / f"{prompt}_0.png"
