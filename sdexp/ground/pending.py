"""A run that goes on: nothing of it changes before everything is checked.

A command that goes on with a run leaves its configuration and record beside those of the run. The
worker that has checked them makes them the run's own; a command that is refused drops them.
"""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from sdexp.ground.files import remove
from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.records import EvaluationRecord, RunRecord
from sdexp.ground.run import GUARDS, MODELS, RunFolder


def now() -> str:
    """The time as records hold it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def config_at_work(run: RunFolder) -> Path:
    """The configuration of the command at work."""
    return run.pending_config if run.pending_config.is_file() else run.config


def record_at_work(run: RunFolder) -> RunRecord:
    """The record of the command at work."""
    file = run.pending_record if run.pending_record.is_file() else run.record
    return read_record(file, RunRecord)


def adopt(run: RunFolder) -> None:
    """Make what is pending the run's own; an evaluation of fewer steps goes to `evaluations/`."""
    if not run.pending_record.is_file():
        return
    record = record_at_work(run)
    set_results_aside(run, run.read_record())
    run.write_record(record)
    run.pending_config.replace(run.config)
    run.pending_record.unlink()


def drop(run: RunFolder) -> bool:
    """Forget what is pending; whether anything was."""
    pending = run.pending_record.is_file()
    run.pending_config.unlink(missing_ok=True)
    run.pending_record.unlink(missing_ok=True)
    return pending


def set_results_aside(run: RunFolder, old: RunRecord) -> None:
    """Move the run's own evaluation to `evaluations/`; remove what a broken one left."""
    results = [run.scores, run.per_image, run.per_prompt, run.batches]
    results += [run.report_html, run.report_md]
    results += [run.images(model) for model in (*MODELS, "reference", *GUARDS)]
    found = [path for path in results if path.exists()]
    if not run.scores.exists():
        for path in found:
            remove(path)
        return
    # What people chose between is set aside with the pictures.
    found += [run.votes] if run.votes.exists() else []
    steps = old.training.steps if old.training else None
    name = f"{datetime.now():%Y-%m-%d_%H-%M-%S}_steps-{steps}"
    kept = run.evaluation(name)
    for path in found:
        target = kept.path / path.relative_to(run.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
    shutil.copy(run.config, kept.config)
    write_record(kept.evaluation_record, _kept_record(old, steps))


def _kept_record(old: RunRecord, steps: int | None) -> EvaluationRecord:
    return EvaluationRecord(
        command=old.command,
        started=old.started or now(),
        differs=[f"training.max_train_steps: {steps}"],
        chosen_later=[],
        steps=steps,
        status=old.status,
        exit_code=old.exit_code,
        reason=old.reason,
        ended=old.ended,
        evaluation=old.evaluation,
    )
