"""The life of a frozen run: stages, then the report. `python -m sdexp.launch.job RUN` does one."""

import os
import shutil
import sys
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sdexp.ground.build import read_config
from sdexp.ground.errors import DiskError, SdexpError
from sdexp.ground.interrupt import Interrupted, counting, interruptible, listening
from sdexp.ground.run import FOLLOW_DOOR, RunFolder, end_with_parent
from sdexp.launch.processes import stack_files, start_workers, watch
from sdexp.recipes import Recipes, build_recipes

INTERNAL = 70


def carry_out(run: RunFolder, recipes: Recipes, lock: int, stages: list[str]) -> int:
    """Run stages in children and note in run.json what became of them; the exit code."""
    began = time.monotonic()
    run.update_record(status="running", exit_code=None, reason=None)
    outcome = run_stages(run, stages, recipes.hardware.num_processes, lock)
    code = int(outcome["exit_code"])
    # A full disk was told already; then run.json cannot say it.
    with suppress(DiskError):
        run.update_record(
            status="finished" if code == 0 else "interrupted" if code > 128 else "failed",
            ended=datetime.now(UTC).isoformat(timespec="seconds"),
            command_seconds=time.monotonic() - began,
            **outcome,
        )
        if code < 128:
            _write_report(run)
    return code


def _write_report(run: RunFolder) -> None:
    from sdexp.pages.run.page import write_report

    write_report(run)


def run_stages(run: RunFolder, stages: list[str], processes: int, lock: int) -> dict[str, Any]:
    """Run stages one after the other in the same processes; returns exit code and reason."""
    shutil.rmtree(run.stacks, ignore_errors=True)
    run.update_record(outcome=None)
    with counting() as received:
        died_of = watch(start_workers(run, stages, processes, lock), received)
    outcome = run.read_record()["outcome"] or _unexplained(run, died_of, received.first)
    if not outcome["exit_code"]:
        shutil.rmtree(run.stacks, ignore_errors=True)
    return outcome


def _unexplained(run: RunFolder, died_of: int, signal_sent: int | None) -> dict[str, Any]:
    """What to note of a worker that could not say it itself."""
    if signal_sent is not None:
        return {"exit_code": 128 + signal_sent, "reason": "ended before the step was saved"}
    if died_of == DiskError.exit_code:
        return {"exit_code": died_of, "reason": "the disk is full"}
    files = ", ".join(str(file) for file in stack_files(run))
    stacks = f"; stacks in {files}" if files else ""
    return {"exit_code": INTERNAL, "reason": f"the worker died with code {died_of}{stacks}"}


def next_stages(run: RunFolder, recipes: Recipes) -> list[str]:
    """What is left to do of a run."""
    trained = run.is_trained() and run.weights.is_dir()
    return ([] if trained else ["train"]) + (["evaluate"] if recipes.evaluation.enabled else [])


def main() -> int:
    """Carry out one frozen run; returns its exit code."""
    if FOLLOW_DOOR in os.environ:
        threading.Thread(target=end_with_parent, daemon=True).start()
    run = RunFolder(Path(sys.argv[1]))
    try:
        with listening(), interruptible():
            recipes = build_recipes(read_config(run.config))
            with run.lock() as lock:
                run.set_results_aside()
                return carry_out(run, recipes, lock, next_stages(run, recipes))
    except SdexpError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except Interrupted as error:
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
