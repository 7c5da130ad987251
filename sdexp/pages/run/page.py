"""The report of one run: `report.html`, self-contained, and `report.md` beside it."""

import os
from typing import Any

from sdexp.ground.run import RunFolder, write_text
from sdexp.pages.environment import environment
from sdexp.pages.figures import loss_curves
from sdexp.pages.run.facts import (
    Facts,
    control_lines,
    drift_lines,
    extremes,
    primary_line,
    read_facts,
    triples,
    validation_rows,
    verdict_lines,
)


def write_report(run: RunFolder) -> None:
    """Write both files from what stands in the run folder; nothing else is read."""
    facts = read_facts(run)
    values = _values(run, facts)
    write_text(run.report_html, environment(html=True).get_template("report.html").render(values))
    write_text(run.report_md, environment(html=False).get_template("report.md").render(values))


def _values(run: RunFolder, facts: Facts) -> dict[str, Any]:
    verdict, sentence, meaning = verdict_lines(facts)
    metric, best, worst = extremes(run, facts)
    prompts, validation = validation_rows(run)
    train = facts.curve("train", "loss")
    checked = facts.curve("validation", "loss")
    return {
        "title": facts.title,
        "verdict": verdict,
        "sentence": sentence,
        "meaning": meaning,
        "primary": primary_line(facts.scores) if facts.scores else "",
        "applied": facts.scores["applied"] if facts.scores else None,
        "scores": facts.scores,
        "controls": control_lines(facts.scores) if facts.scores else [],
        "drift": drift_lines(facts.scores) if facts.scores else [],
        "warnings": facts.warnings,
        "curves": loss_curves(train, checked) if train or checked else "",
        "losses": checked,
        "triples": triples(run, facts),
        "ranked_by": metric,
        "best": best,
        "worst": worst,
        "prompts": prompts,
        "validation": validation,
        "data": _data(facts.record),
        "training": facts.record["training"] if "training" in facts.record else {},
        "provenance": _provenance(facts.record),
        "config": facts.config,
        "relative": lambda path: os.path.relpath(path, run.path),
    }


def _data(record: dict[str, Any]) -> list[dict[str, Any]]:
    """One entry per split with what was dropped and repaired."""
    splits = record["data"] if "data" in record else {}
    return [{"split": name, **facts} for name, facts in sorted(splits.items())]


def _provenance(record: dict[str, Any]) -> list[tuple[str, str]]:
    """Name and value of everything that run.json says about where the numbers come from."""
    told = (
        "command",
        "evaluate_command",
        "started",
        "ended",
        "status",
        "device",
        "git",
        "versions",
        "base_weights",
    )
    lines = []
    for key in told:
        value = record[key] if key in record else None
        if isinstance(value, dict):
            lines += [(f"{key} {name}", str(item)) for name, item in sorted(value.items())]
        elif value is not None:
            lines.append((key, str(value)))
    splits = record["data"] if "data" in record else {}
    return lines + [(f"data {name}", facts["manifest"]) for name, facts in sorted(splits.items())]
