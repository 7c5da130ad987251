"""Folders of runs, and what stands on their pages."""

from dataclasses import replace
from typing import Any

from sdexp.ground.record_files import write_record
from sdexp.ground.records import EvaluationRecord
from sdexp.ground.run import EvaluationFolder, RunFolder
from sdexp.ground.score_records import ControlsRecord, FloorRecord, PairRecord, ScoresRecord
from tests import records
from tests.records import metric

METRIC = metric(
    24.0,
    up=True,
    verdict="better",
    original=20.0,
    difference=4.0,
    ci95=(3.1, 4.9),
    n=12,
    n_reference=0,
)
HOSTILE = '<script>alert(1)</script> | **bold** `x` [a](b) "q" <img src=x onerror=y>'


def scores(**changes: Any) -> ScoresRecord:
    """`changes` are those of the primary metric."""
    lower = replace(METRIC, higher_is_better=False, n_reference=50)
    metrics = {
        "kid": replace(lower, **({"difference": -4.0} | changes)),
        "clip_score": METRIC,
        "fid": replace(lower, ci95=None),
    }
    controls = ControlsRecord(
        real_vs_real={"kid": FloorRecord(0.02, 25, 25)},
        shuffled_captions={"clip_score": PairRecord(9.0, 9.5)},
    )
    return records.scores(metrics, n_prompts=12, controls=controls)


def beside(run: RunFolder, name: str, told: ScoresRecord | None) -> EvaluationFolder:
    """An evaluation beside the run's own."""
    folder = run.evaluation(name)
    record = EvaluationRecord(
        command="python -m sdexp.evaluate run=x evaluation.replicates=7",
        started="2026",
        differs=["evaluation.replicates: 1 -> 7"],
        chosen_later=["evaluation.primary"],
        steps=100,
        status="finished" if told else "failed",
        reason=None if told else "the disk is full",
    )
    write_config_text(folder, "evaluation:\n  replicates: 7\n")
    write_record(folder.evaluation_record, record)
    if told:
        write_record(folder.scores, told)
    return folder


def write_config_text(folder: EvaluationFolder, text: str) -> None:
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.config.write_text(records.config_text(text))
