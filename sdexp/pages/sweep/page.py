"""The report of a sweep: `report.html`, self-contained, `report.md` and `runs.csv` beside it."""

import os
import shlex
from pathlib import Path
from typing import Any

from sdexp.ground.files import write_text
from sdexp.pages.environment import environment
from sdexp.pages.sweep.effects import main_effects
from sdexp.pages.sweep.facts import JobFacts, Sweep, read_sweep
from sdexp.pages.sweep.figures import cost_figures, loss_figure
from sdexp.pages.sweep.leads import Standing, standing_of
from sdexp.pages.sweep.origin import (
    provenance,
    steps_per_second,
    unfinished,
    warnings,
    whole_command,
)
from sdexp.pages.sweep.parallel import parallel_figure
from sdexp.pages.sweep.pictures import side_by_side
from sdexp.pages.sweep.protocols import Protocol, protocols
from sdexp.pages.sweep.ranking import (
    Group,
    adjusted_ps,
    counts_line,
    grouped,
)
from sdexp.pages.sweep.table import runs_csv
from sdexp.pages.sweep.winner import best_line, doubts, numbers_line, seed_rows

# So many differing keys fit beside the scores; more have a table of their own.
BESIDE = 6
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
    groups = grouped(sweep)
    ways = protocols(sweep)
    loss, loss_words = loss_figure(sweep, groups)
    keys = [*sweep.columns, *sweep.implied]
    ranking = _ranked(sweep, groups) if len(ways) < 2 else _unranked(ways)
    return ranking | {
        "title": f"{'Sweep' if sweep.record else 'Runs'} {sweep.folder.resolve().name}",
        "counts": counts_line(sweep),
        "warnings": warnings(sweep, groups),
        "columns": [(c, sweep.short(c)) for c in keys[:BESIDE]],
        "differences": _differences(sweep, keys) if len(keys) > BESIDE else [],
        "implied": sweep.implied,
        "metrics": _metric_heads(sweep),
        "primary": sweep.primary,
        "rows": [_row(sweep, job) for job in sweep.jobs],
        "loss": loss,
        "loss_words": loss_words,
        "grid": side_by_side(sweep),
        "relative": lambda path: os.path.relpath(path, sweep.folder),
        "unfinished": unfinished(sweep),
        "whole_command": whole_command(sweep),
        "provenance": provenance(sweep),
    }


def _ranked(sweep: Sweep, groups: list[Group]) -> dict[str, Any]:
    """What can be said of runs that were all scored in one way."""
    standing = standing_of(sweep, groups)
    best = standing.order[0].counted if standing and standing.named else []
    return {
        "sentence": best_line(sweep, standing),
        "numbers": numbers_line(standing),
        "doubts": doubts(standing),
        "badge": _badge(standing),
        "best": [job.number for job in best],
        "ways": [],
        "holm": adjusted_ps(groups, standing.metric) if standing else {},
        "effects": main_effects(sweep, groups),
        "parallel": parallel_figure(sweep),
        "seeds": seed_rows(sweep, standing),
        "figures": cost_figures(sweep, groups),
    }


def _unranked(ways: list[Protocol]) -> dict[str, Any]:
    """Between runs that were scored in different ways nothing is ranked."""
    return {
        "sentence": SEVERAL.format(len(ways)),
        "numbers": "",
        "doubts": [],
        "badge": "",
        "best": [],
        "ways": ways,
        "holm": {},
        "effects": None,
        "parallel": ("", ""),
        "seeds": [],
        "figures": [],
    }


def _badge(standing: Standing | None) -> str:
    """The verdict on the first configuration where all its runs agree."""
    verdicts = set(standing.order[0].verdicts(standing.metric)) if standing else set()
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


def _differences(sweep: Sweep, keys: list[str]) -> list[tuple[str, list[str]]]:
    """Every differing key with its value in each run."""
    shown = [sweep.shown(job) for job in sweep.jobs]
    return [(key, [row[k] or "-" for row in shown]) for k, key in enumerate(keys)]


def _row(sweep: Sweep, job: JobFacts) -> dict[str, Any]:
    pairs = zip([*sweep.columns, *sweep.implied], sweep.shown(job), strict=True)
    given = [value if value is None else sweep.value(column, value) for column, value in pairs]
    return {
        "number": job.number,
        "folder": os.path.relpath(job.run.path, sweep.folder),
        "has_page": job.run.report_html.is_file(),
        "status": job.status,
        "given": given[:BESIDE],
        "control": job.scores is not None and not job.counts,
        "metrics": [job.metrics[n] if n in job.metrics else None for n in sweep.metric_names],
        "drift": job.drift,
        "training": job.training,
        "speed": steps_per_second(job),
    }
