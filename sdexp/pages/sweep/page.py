"""The report of a sweep: `report.html`, self-contained, `report.md` and `runs.csv` beside it."""

import os
import shlex
from pathlib import Path
from typing import Any

from sdexp.ground.files import write_text
from sdexp.pages.environment import environment
from sdexp.pages.sweep.facts import JobFacts, Sweep, read_sweep
from sdexp.pages.sweep.figures import cost_figures, loss_figure
from sdexp.pages.sweep.origin import (
    provenance,
    steps_per_second,
    unfinished,
    warnings,
    whole_command,
)
from sdexp.pages.sweep.pictures import side_by_side
from sdexp.pages.sweep.protocols import protocols
from sdexp.pages.sweep.ranking import (
    Group,
    best_line,
    counts_line,
    doubts,
    grouped,
    is_better,
    numbers_line,
    ranked,
    seed_rows,
)
from sdexp.pages.sweep.table import runs_csv

SEVERAL = "Scored in {} different ways: each is ranked by itself."


def write_sweep_report(folder: Path) -> list[str]:
    """Write all three files from what stands in the run folders; returns what cannot be read.

    Raises `ConfigError` for a folder without any run.
    """
    return write_pages(read_sweep(folder), f"runs={folder}")


def write_pages(sweep: Sweep, asked: str) -> list[str]:
    """The same of runs that were read; asked: the words that ask for them."""
    folder = sweep.folder
    values = _values(sweep) | {"again": shlex.join(["python", "-m", "sdexp.report", asked])}
    write_text(folder / "runs.csv", runs_csv(sweep))
    for name, html in (("report.md", False), ("report.html", True)):
        template = environment(html).get_template(name.replace("report", "sweep"))
        write_text(folder / name, template.render(values))
    return [fault for job in sweep.jobs for fault in job.facts.faults]


def _values(sweep: Sweep) -> dict[str, Any]:
    ways = protocols(sweep)
    groups = grouped(sweep)
    # Between runs that were scored in different ways nothing is ranked.
    order = ranked(groups, sweep.primary) if sweep.primary and len(ways) < 2 else []
    best = _best_jobs(order, groups, sweep.primary)
    loss, loss_words = loss_figure(sweep, groups)
    return {
        "title": f"{'Sweep' if sweep.record else 'Runs'} {sweep.folder.resolve().name}",
        "sentence": best_line(sweep, groups) if len(ways) < 2 else SEVERAL.format(len(ways)),
        "counts": counts_line(sweep),
        "numbers": numbers_line(sweep, groups) if len(ways) < 2 else "",
        "doubts": doubts(sweep, groups) if len(ways) < 2 else [],
        "ways": ways if len(ways) > 1 else [],
        "badge": _badge(order, sweep.primary),
        "warnings": warnings(sweep, groups),
        "columns": [(c, sweep.short(c)) for c in [*sweep.columns, *sweep.implied]],
        "implied": sweep.implied,
        "metrics": _metric_heads(sweep),
        "primary": sweep.primary,
        "rows": [
            _row(sweep, job, best)
            | {"way": ", ".join(way.letter for way in ways if job.number in way.jobs)}
            for job in sweep.jobs
        ],
        "seeds": seed_rows(sweep, groups) if len(ways) < 2 else [],
        "figures": cost_figures(sweep, groups) if len(ways) < 2 else [],
        "loss": loss,
        "loss_words": loss_words,
        "grid": side_by_side(sweep),
        "relative": lambda path: os.path.relpath(path, sweep.folder),
        "unfinished": unfinished(sweep),
        "whole_command": whole_command(sweep),
        "provenance": provenance(sweep),
    }


def _badge(order: list[Group], metric: str | None) -> str:
    """The verdict on the best configuration where all its runs agree."""
    verdicts = set(order[0].verdicts(metric)) if order and metric else set()
    return verdicts.pop() if len(verdicts) == 1 else ""


def _metric_heads(sweep: Sweep) -> list[dict[str, Any]]:
    """Each metric with its direction, unit and backbones."""
    heads = []
    for name in sweep.metric_names:
        facts = [job.metrics[name] for job in sweep.jobs if name in job.metrics]
        backbones = sorted({one.backbone for one in facts})
        up = facts[0].higher_is_better
        said = [facts[0].unit, *backbones] if facts[0].unit else backbones
        heads.append({"name": name, "up": up, "backbone": ", ".join(said)})
    return heads


def _best_jobs(order: list[Group], groups: list[Group], metric: str | None) -> list[JobFacts]:
    """The runs of the best configuration; one alone is best of nothing."""
    if metric is None or len(order) < 2 or not is_better(order[0], groups, metric):
        return []
    return order[0].counted


def _row(sweep: Sweep, job: JobFacts, best: list[JobFacts]) -> dict[str, Any]:
    pairs = zip([*sweep.columns, *sweep.implied], sweep.shown(job), strict=True)
    given = [value if value is None else sweep.value(column, value) for column, value in pairs]
    return {
        "number": job.number,
        "folder": os.path.relpath(job.run.path, sweep.folder),
        "has_page": job.run.report_html.is_file(),
        "status": job.status,
        "given": given,
        "control": job.scores is not None and not job.counts,
        "metrics": [job.metrics[n] if n in job.metrics else None for n in sweep.metric_names],
        "drift": job.drift,
        "training": job.training,
        "speed": steps_per_second(job),
        "best": job in best,
    }
