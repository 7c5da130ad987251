"""The life of a frozen run: stages, then the report. `python -m sdexp.launch.job RUN` does one."""

import os
import shutil
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from sdexp.ground.errors import ConfigError, DataError, DiskError, SdexpError
from sdexp.ground.files import remove_leftovers
from sdexp.ground.interrupt import Interrupted, counting, interruptible, listening
from sdexp.ground.lifeline import FOLLOW_PARENT, end_with_parent
from sdexp.ground.pending import adopt, config_at_work, drop, now, record_at_work
from sdexp.ground.record_files import read_record
from sdexp.ground.records import Outcome, Status
from sdexp.ground.run import EvaluationFolder, RunFolder
from sdexp.launch.followers import end, following
from sdexp.launch.processes import stack_files, start_workers, wait_for
from sdexp.recipes import Recipes, read_recipes

INTERNAL = 70
# Exit codes of what is found wrong before anything is made.
REFUSED = (ConfigError.exit_code, DataError.exit_code)


def carry_out(run: RunFolder, recipes: Recipes, lock: int, stages: list[str]) -> int:
    """Run stages in children and note in run.json what became of them; the exit code.

    A command that is refused before it changed anything leaves run.json as it was.
    """
    began = time.monotonic()
    if "train" not in stages:
        adopt(run)
    if not run.pending_record.is_file():
        run.change_record(status="running", exit_code=None, reason=None)

    def note(outcome: Outcome) -> None:
        # A full disk was told already; then run.json cannot say it.
        if not run.pending_record.is_file():
            with suppress(DiskError):
                _note(run, outcome, time.monotonic() - began)

    outcome = run_followed(run, recipes, stages, lock, note)
    drop(run)
    return outcome.exit_code


def _note(run: RunFolder, outcome: Outcome, seconds: float) -> None:
    """What became of a run, in its record and on its page."""
    run.change_record(
        status=status_of(outcome),
        ended=now(),
        command_seconds=seconds,
        exit_code=outcome.exit_code,
        reason=outcome.reason,
    )
    if outcome.exit_code < 128:
        write_page(run)


def status_of(outcome: Outcome) -> Status:
    """What an exit code means for a run."""
    if outcome.exit_code > 128:
        return "interrupted"
    return "failed" if outcome.exit_code else "finished"


def write_page(run: RunFolder, folder: EvaluationFolder | None = None) -> None:
    """Write the run's report, or that of an evaluation beside it; tells what cannot be read."""
    from sdexp.pages.run.page import write_report

    for fault in write_report(run, folder):
        print(f"warning: {fault}", file=sys.stderr)


def write_card(run: RunFolder, folder: Path, form: str) -> None:
    """Write the model card of an export."""
    from sdexp.pages.run.card import write_model_card

    write_model_card(run, folder, form)


def run_followed(
    run: RunFolder,
    recipes: Recipes,
    stages: list[str],
    lock: int,
    note: Callable[[Outcome], None],
) -> Outcome:
    """Run stages while trackers follow; a signal while they end does not lose the outcome.

    note: writes down what became of it, pages too, before trackers hear that all is there.
    """
    remove_leftovers(run.path)
    with counting(), following(run, recipes.trackers) as followers:
        outcome = run_stages(run, stages, recipes.hardware.num_processes, lock)
        try:
            note(outcome)
        finally:
            end(run, followers, outcome.exit_code)
    return outcome


def run_stages(run: RunFolder, stages: list[str], processes: int, lock: int) -> Outcome:
    """Run stages one after the other in the same processes."""
    shutil.rmtree(run.stacks, ignore_errors=True)
    run.outcome.unlink(missing_ok=True)
    with counting() as received:
        died_of = wait_for(start_workers(run, stages, processes, lock), received)
    outcome = _told(run)
    if outcome is None:
        outcome = _unexplained(run, died_of, received.first)
        # On a full disk the worker could only print it.
        if died_of != DiskError.exit_code:
            print(f"error: {outcome.reason}", file=sys.stderr)
    if not outcome.exit_code:
        shutil.rmtree(run.stacks, ignore_errors=True)
    return outcome


def _told(run: RunFolder) -> Outcome | None:
    """What the worker said at its end."""
    if not run.outcome.is_file():
        return None
    outcome = read_record(run.outcome, Outcome)
    run.outcome.unlink()
    return outcome


def _unexplained(run: RunFolder, died_of: int, signal_sent: int | None) -> Outcome:
    """What to note of a worker that could not say it itself."""
    if signal_sent is not None:
        return Outcome(128 + signal_sent, "ended before the step was saved")
    if died_of == DiskError.exit_code:
        return Outcome(died_of, "the disk is full")
    files = ", ".join(str(file) for file in stack_files(run))
    stacks = f"; stacks in {files}" if files else ""
    return Outcome(INTERNAL, f"the worker died with code {died_of}{stacks}")


def next_stages(run: RunFolder, recipes: Recipes) -> list[str]:
    """What is left to do of a run."""
    trained = record_at_work(run).is_trained and run.weights.is_dir()
    return ([] if trained else ["train"]) + (["evaluate"] if recipes.evaluation.enabled else [])


def main() -> int:
    """Carry out one frozen run; returns its exit code."""
    if FOLLOW_PARENT in os.environ:
        threading.Thread(target=end_with_parent, daemon=True).start()
    run = RunFolder(Path(sys.argv[1]))
    try:
        with listening(), interruptible():
            recipes = read_recipes(config_at_work(run))
            with run.lock() as lock:
                return carry_out(run, recipes, lock, next_stages(run, recipes))
    except SdexpError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except Interrupted as error:
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
