"""The report of one run: `report.html`, self-contained, and `report.md` beside it."""

import os
from dataclasses import asdict
from typing import Any

from sdexp.ground.files import write_text
from sdexp.ground.records import RunRecord
from sdexp.ground.run import EvaluationFolder, RunFolder
from sdexp.pages.environment import environment
from sdexp.pages.figures import curve_panels, epoch_losses, loss_curves
from sdexp.pages.run.answers import axes, sentence
from sdexp.pages.run.browser import browser_of
from sdexp.pages.run.checkpoints import steps_of
from sdexp.pages.run.facts import Beside, Facts, read_facts
from sdexp.pages.run.files import source_of
from sdexp.pages.run.method import method
from sdexp.pages.run.pictures import Triple, extremes, nearest_pairs, triples, validation_rows
from sdexp.pages.run.power import power_table
from sdexp.pages.run.verdict import (
    control_lines,
    drift_lines,
    overfit_lines,
    primary_line,
    verdict_lines,
)
from sdexp.pages.run.votes import votes_line
from sdexp.pages.thumbnails import Thumbnail, missing_line

# What else is logged of each step, and its words.
STEPS = {
    "learning_rate": "learning rate",
    "grad_norm": "gradient norm",
    "images_per_second": "images/s",
    "peak_memory_gb": "peak memory, GB",
}
TOLD = ("command", "started", "ended", "status", "device", "git", "versions", "base_weights")


def write_report(run: RunFolder, folder: EvaluationFolder | None = None) -> list[str]:
    """Write both files from what stands in the run folder; returns what of it cannot be read.

    `folder` is an evaluation beside the run's own, whose page is then written. Raises `DataError`
    where run.json cannot be read.
    """
    at = folder or run
    facts = read_facts(run, folder)
    values = _values(run, at, facts)
    write_text(at.report_html, environment(html=True).get_template("report.html").render(values))
    write_text(at.report_md, environment(html=False).get_template("report.md").render(values))
    faults: list[str] = values["faults"]
    return faults


def _values(run: RunFolder, folder: EvaluationFolder, facts: Facts) -> dict[str, Any]:
    verdict, sentence, meaning = verdict_lines(facts)
    train = facts.curve("train", "loss")
    checked = facts.curve("validation", "loss")
    pictures = _pictures(run, folder, facts)
    faults = facts.faults + missing_line(pictures.pop("thumbnails"))
    return {
        **pictures,
        **_scores(facts),
        "title": facts.title,
        "verdict": verdict,
        "sentence": sentence,
        "meaning": meaning,
        "faults": faults,
        "warnings": faults + [line for line in facts.warnings if line not in faults],
        "differs": facts.evaluation.differs if facts.evaluation else [],
        "home": os.path.relpath(run.report_html, folder.path),
        "beside": [] if facts.evaluation else [_beside(run, one) for one in facts.beside],
        "steps": None if facts.evaluation else steps_of(run, facts),
        "curves": loss_curves(train, checked) if train or checked else "",
        "epochs": _epochs(facts),
        "panels": _panels(facts),
        "on_the_way": _on_the_way(facts),
        "votes": "" if facts.evaluation else votes_line(run),
        "source": source_of(run, folder, facts),
        "method": method(facts),
        "losses": checked,
        "data": sorted(facts.record.data.items()),
        "training": facts.record.training,
        "provenance": _provenance(facts),
        "config": facts.config,
        "relative": lambda path: os.path.relpath(path, folder.path),
    }


def _scores(facts: Facts) -> dict[str, Any]:
    scores = facts.scores
    return {
        "scores": scores,
        "axes": axes(scores) if scores else [],
        "answers": sentence(scores) if scores else "",
        "overfit": overfit_lines(scores) if scores else [],
        "primary": primary_line(scores) if scores else "",
        "applied": scores.applied if scores else None,
        "power": power_table(scores) if scores and scores.control is None else None,
        "controls": control_lines(scores) if scores else [],
        "drift": drift_lines(scores) if scores else [],
    }


def _epochs(facts: Facts) -> str:
    """The losses by epoch; nothing of a training that saw only one."""
    losses = facts.losses_by_epoch
    return epoch_losses(losses) if losses and losses[-1][0] > 1 else ""


def _panels(facts: Facts) -> str:
    """Curves of what is logged beside the loss; nothing of a run without a step."""
    curves = {words: facts.curve("train", name) for name, words in STEPS.items()}
    known = {words: points for words, points in curves.items() if points}
    return curve_panels("steps_logged", ", ".join(known), known) if known else ""


def _on_the_way(facts: Facts) -> str:
    """Curves of the metrics that were asked during training; nothing where none was."""
    names = dict.fromkeys(row.name for row in facts.log.rows if row.split == "validation")
    curves = {name: facts.curve("validation", name) for name in names if name != "loss"}
    return curve_panels("on_the_way", f"{', '.join(curves)} of val", curves) if curves else ""


def _pictures(run: RunFolder, folder: EvaluationFolder, facts: Facts) -> dict[str, Any]:
    shown = triples(folder, facts)
    metric, best, worst = extremes(folder, facts)
    prompts, validation = validation_rows(run)
    own: list[Triple] = shown + best + worst
    suspects = nearest_pairs(folder, facts)
    thumbnails: list[Thumbnail] = [one for triple in own for one in triple.thumbnails]
    thumbnails += [one for pair in suspects for one in (pair.made, pair.trained)]
    thumbnails += [one for _, row in validation for one in row]
    browser = browser_of(folder, facts)
    thumbnails += browser.thumbnails
    return {
        "browser": browser,
        "triples": shown,
        "ranked_by": metric,
        "best": best,
        "worst": worst,
        "suspects": suspects,
        "prompts": prompts,
        "validation": validation,
        "thumbnails": thumbnails,
    }


def _beside(run: RunFolder, one: Beside) -> dict[str, Any]:
    """A line about an evaluation beside the run's own."""
    link = os.path.relpath(one.folder.report_html, run.path)
    return {
        "name": one.folder.path.name,
        "link": link if one.folder.report_html.is_file() else None,
        "differs": ", ".join(one.record.differs),
        "status": one.record.status,
        "scores": one.scores,
    }


def _provenance(facts: Facts) -> list[tuple[str, str]]:
    """Name and value of everything that run.json says about where the numbers come from."""
    lines = _told(facts.record)
    if facts.evaluation:
        told = asdict(facts.evaluation)
        lines += [(f"evaluation {key}", str(told[key])) for key in ("command", "started", "ended")]
    return lines + [(f"data {name}", split.manifest) for name, split in facts.record.data.items()]


def _told(record: RunRecord) -> list[tuple[str, str]]:
    values = asdict(record)
    lines = []
    for key in TOLD:
        value = values[key]
        if isinstance(value, dict):
            lines += [(f"{key} {name}", str(item)) for name, item in sorted(value.items())]
        elif value is not None:
            lines.append((key, str(value)))
    return lines
