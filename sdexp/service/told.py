"""What clients are told of weights and runs, as plain values."""

from dataclasses import asdict
from typing import Any

from sdexp.ground.applied import Applied
from sdexp.ground.log import read_log
from sdexp.ground.rows import read_rows
from sdexp.ground.score_records import MetricRecord, ScoresRecord
from sdexp.ground.votes import read_votes
from sdexp.service.catalogue import Catalogue, Entry
from sdexp.service.found import FoundRun
from sdexp.stats.votes import tally

# Points of a curve; more cannot be seen.
MOST_POINTS = 400
MOST_PROMPTS = 64
CURVES = (("train", "loss"), ("validation", "loss"))


def model(entry: Entry) -> dict[str, Any]:
    """Of weights that somebody may ask for."""
    own = entry.defaults
    is_original = entry.kind == "original"
    return {
        "id": entry.id,
        "kind": entry.kind,
        "label": entry.label,
        "original": entry.original,
        "run": entry.run,
        "strategy": None if is_original else entry.choices["finetune"],
        "data": None if is_original else entry.choices["dataset"],
        "steps": entry.steps,
        "has_strength": entry.has_strength,
        "side": own.height,
        "defaults": {
            "num_inference_steps": own.num_inference_steps,
            "guidance_scale": own.guidance_scale,
            "sampler": own.sampler,
            "negative_prompt": own.negative_prompt,
        },
        "scores": scores(entry.scores),
        "state": _state(entry),
        "applied": _counts(entry.applied),
        "refused": entry.refused,
        "badge": badge(entry),
    }


def badge(entry: Entry) -> str:
    """What is really loaded, in a line."""
    if entry.refused is not None:
        return "refused"
    if entry.kind == "original":
        return f"{entry.label}, as it was before any training"
    parts = [entry.label]
    if entry.applied is not None:
        total = entry.applied.applied + len(entry.applied.missing)
        parts.append(f"{entry.applied.applied} of {total} tensors applied")
    if entry.proof is not None and entry.proof.applied is not None:
        parts.append(f"{entry.proof.applied.changed} differ from the original's")
    if entry.differs:
        parts.append("pictures differ from the original")
    return ", ".join(parts)


def run(catalogue: Catalogue, found: FoundRun) -> dict[str, Any]:
    """A line of the table of runs."""
    record = found.record
    choices = record.choices
    groups = [choices[name] for name in ("finetune", "model", "dataset") if name in choices]
    return {
        "id": found.id,
        "title": " / ".join(groups) or found.id,
        "command": record.command,
        "started": record.started,
        "status": record.status if found.recipes else "unreadable",
        "strategy": choices.get("finetune"),
        "data": choices.get("dataset"),
        "steps": record.training.steps if record.training else None,
        "seconds": record.command_seconds,
        "scores": scores(found.scores),
        "has_report": found.run.report_html.is_file(),
        "votes": votes(found),
        "reason": found.fault or catalogue.shortened(record.reason or "") or None,
    }


def scores(record: ScoresRecord | None) -> dict[str, Any] | None:
    """The metrics of an evaluation; None without one."""
    if record is None:
        return None
    return {
        "primary": record.primary,
        "verdict": record.primary_metric.verdict,
        "metrics": {name: _metric(metric) for name, metric in record.metrics.items()},
    }


def votes(found: FoundRun) -> dict[str, Any]:
    """How often which of the two was chosen blindly."""
    return asdict(tally([vote.choice for vote in read_votes(found.run.votes)[0]]))


def curves(found: FoundRun) -> list[dict[str, Any]]:
    """Losses by step, and whatever else was asked of the validation split."""
    rows = read_log(found.run.log).rows
    names = dict.fromkeys([*CURVES, *((r.split, r.name) for r in rows if r.split == "validation")])
    found_curves = []
    for split, name in names:
        points = [[row.step, row.value] for row in rows if (row.split, row.name) == (split, name)]
        if points:
            found_curves.append({"name": f"{split}/{name}", "points": _thinned(points)})
    return found_curves


def prompts(found: FoundRun) -> list[dict[str, Any]]:
    """Held-out prompts with the noise of the evaluation, or else those of the validation."""
    if found.recipes is None:
        return []
    seed = found.recipes.evaluation.seed
    if found.scores is None or found.scores.sampling is None or not found.run.per_image.is_file():
        own = found.recipes.training.validation_prompts
        return [{"prompt": prompt, "noise": None, "seed": seed} for prompt in own]
    rows = {row.prompt_id: row for row in read_rows(found.run.per_image) if row.replicate == 0}
    return [
        {
            "prompt": row.caption,
            "noise": {"prompt_id": row.prompt_id, "replicate": 0},
            "seed": seed,
        }
        for row in list(rows.values())[:MOST_PROMPTS]
    ]


def _state(entry: Entry) -> str:
    if entry.refused is not None:
        return "refused"
    return "waiting" if entry.proof is None else "proved"


def _counts(applied: Applied | None) -> dict[str, int] | None:
    if applied is None:
        return None
    return {
        "applied": applied.applied,
        "changed": applied.changed,
        "missing": len(applied.missing),
        "unexpected": len(applied.unexpected),
    }


def _metric(metric: MetricRecord) -> dict[str, Any]:
    names = ("original", "finetuned", "difference", "ci95", "higher_is_better", "unit")
    values = {name: getattr(metric, name) for name in names}
    return values | {"backbone": metric.backbone, "verdict": metric.verdict, "p": metric.p}


def _thinned(points: list[list[float]]) -> list[list[float]]:
    """At most `MOST_POINTS`, the last one among them."""
    stride = -(-len(points) // MOST_POINTS)
    return points[::-1][::stride][::-1]
