"""Whose page it is: the folder, the files in it, and the command that made them."""

import os
from dataclasses import dataclass

from sdexp.ground.records import EvaluationRecord, RunRecord
from sdexp.ground.run import EvaluationFolder, RunFolder
from sdexp.pages.run.facts import Facts


@dataclass(frozen=True)
class Source:
    """folder: name of the run's; links: (words, address from the page); command: as typed."""

    folder: str
    links: list[tuple[str, str]]
    command: str
    when: str


def source_of(run: RunFolder, folder: EvaluationFolder, facts: Facts) -> Source:
    """Links only to what is there."""
    evaluation = facts.evaluation
    places = [
        ("configuration", folder.config),
        ("scores", folder.scores),
        ("scores by picture", folder.per_image),
        ("by prompt", folder.per_prompt),
        ("pictures", folder.path / "images"),
        ("weights", run.weights if evaluation is None else run.served(evaluation.checkpoint)),
        ("log", run.log),
        ("record", run.record),
    ]
    links = [(words, os.path.relpath(path, folder.path)) for words, path in places if path.exists()]
    command = facts.record.command if evaluation is None else evaluation.command
    return Source(run.path.resolve().name, links, command, _when(evaluation or facts.record))


def _when(record: RunRecord | EvaluationRecord) -> str:
    """Its state, and from when to when."""
    if record.started is None:
        return record.status
    until = f" to {_time(record.ended)}" if record.ended else ""
    return f"{record.status}, {_time(record.started)}{until} UTC"


def _time(moment: str) -> str:
    """As a person reads it; records hold UTC (ISO 8601)."""
    return moment.replace("T", " ").removesuffix("+00:00")
