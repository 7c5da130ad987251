"""What a job starts: `python -m sdexp.worker RUN STAGE...`; never imports Hydra.

Stages are `train`, `evaluate`, `evaluate:NAME` (of the folder `evaluations/NAME`), `folders`,
`generate:NAME`, `prepare`, `fill`, `weights:STEP`, `export:FORMAT` and `plan`. Loads the engine
inside the stages, so that it follows its door from the first moment.
"""

import faulthandler
import math
import os
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TextIO

from sdexp.finetune.formats import ExportFormat
from sdexp.ground.audit_records import PrepareRequest
from sdexp.ground.batches import smaller_batches, words_of
from sdexp.ground.build import plain, read_config, typed
from sdexp.ground.errors import DiskError, MemoryFault, SdexpError
from sdexp.ground.folders import FoldersConfig
from sdexp.ground.interrupt import Interrupted, check_interrupt, interruptible, listening
from sdexp.ground.lifeline import FOLLOW_PARENT, STACKS_SIGNAL, end_with_parent
from sdexp.ground.pending import config_at_work
from sdexp.ground.picture_requests import GenerateRequest
from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.records import (
    EvaluatedRecord,
    EvaluationRecord,
    Outcome,
)
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store, default_root
from sdexp.recipes import build_judging, read_recipes

REMEDIES = {
    "train": "training.resolution, or set hardware.gradient_checkpointing=true",
    "evaluate": "evaluation.batch_size",
    "folders": "pictures.resolution",
    "generate": "the number of seeds",
    "prepare": "what else runs on this machine",
    "fill": "training.resolution",
    "export": "what else runs on this machine",
    "weights": "what else runs on this machine",
}


def main() -> int:
    """Run stages one after the other; what became of them stands in the run's `outcome`.

    A fault of a kind that a person can mend ends in one line. Everything else is a traceback,
    after which the door notes that the worker died.
    """
    if FOLLOW_PARENT in os.environ:
        threading.Thread(target=end_with_parent, daemon=True).start()
    run = RunFolder(Path(sys.argv[1]))
    with listening():
        return _run_stages(run, sys.argv[2:])


def _run_stages(run: RunFolder, stages: list[str]) -> int:
    verb = ""
    try:
        for stage in stages:
            check_interrupt()
            verb, _, name = stage.partition(":")
            STAGES[verb](run, name)
        if is_main():
            write_record(run.outcome, Outcome(0, None))
    except (SdexpError, Interrupted) as error:
        return _failed(run, str(error), error.exit_code)
    except (MemoryError, RuntimeError) as error:
        from sdexp.engine.hardware import is_out_of_memory

        if not is_out_of_memory(error):
            raise
        told = (str(error).splitlines() or ["no more to be had"])[0]
        reason = f"out of memory: {told}; {_remedy(run, verb)}"
        return _failed(run, reason, MemoryFault.exit_code)
    return 0


def _remedy(run: RunFolder, verb: str) -> str:
    """What a person can do about too little memory; a smaller batch that trains the same first."""
    if verb not in ("train", "plan"):
        return f"lower {REMEDIES[verb]}"
    config = plain(read_config(config_at_work(run)))
    size = config["training"]["train_batch_size"]
    half = [pair for pair in smaller_batches(config) if pair[0] <= size // 2]
    if not half:
        return f"lower training.train_batch_size or {REMEDIES['train']}"
    return (
        f"{words_of(*half[0])} keep the {math.prod(half[0])} samples of a step (dry_run=step finds "
        f"what fits), or lower {REMEDIES['train']}"
    )


def is_main() -> bool:
    """Whether this process writes the run folder; the others of a start only help it."""
    return "RANK" not in os.environ or os.environ["RANK"] == "0"


def save_stacks(run: RunFolder) -> TextIO:
    """Write the stacks of all threads to the run folder on a signal, a crash or an exception."""
    rank = os.environ["RANK"] if "RANK" in os.environ else "0"
    run.stacks.mkdir(exist_ok=True)
    file = (run.stacks / f"rank{rank}.txt").open("w")
    faulthandler.enable(file)
    faulthandler.register(STACKS_SIGNAL, file)

    def tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        traceback.print_exception(kind, error, trace, file=file)
        traceback.print_exception(kind, error, trace)
        file.flush()

    sys.excepthook = tell
    return file


def _failed(run: RunFolder, reason: str, code: int) -> int:
    if is_main():
        for line in reason.splitlines():
            print(f"error: {line}", file=sys.stderr)
        # On a full disk the exit code has to say it.
        with suppress(DiskError):
            write_record(run.outcome, Outcome(code, reason))
    return code


def _train(run: RunFolder, name: str) -> None:
    with interruptible():
        from sdexp.engine.plan.begin import begin

        trainer = begin(run, is_main())
    training = trainer.train()
    if is_main():
        from sdexp.engine.saved import describe

        run.change_record(training=training, weights=describe(run.weights))


def _evaluate(run: RunFolder, name: str) -> None:
    with interruptible():
        from sdexp.engine.data import keep_splits
        from sdexp.engine.evaluate.evaluation import Evaluation, evaluate
        from sdexp.engine.hardware import peak_memory_gb
        from sdexp.engine.saved import check_weights

    folder = run.evaluation(name)
    recipes = read_recipes(folder.config)
    if is_main() and not name:
        run.change_record(stage="evaluate")
    check_weights(run, recipes.finetune.given_files(), is_main())
    if is_main():
        keep_splits(run, recipes)
    work = Evaluation(run, folder, recipes, Store(default_root()))
    done = evaluate(work)
    if done is None:
        return
    took = EvaluatedRecord(done.seconds, done.pictures, peak_memory_gb())
    if name:
        record = read_record(folder.evaluation_record, EvaluationRecord)
        write_record(folder.evaluation_record, replace(record, evaluation=took))
        return
    seen = {recipes.evaluation.split: done.data} if done.data else {}
    run.change_record(data=run.read_record().data | seen, evaluation=took)


def _folders(run: RunFolder, name: str) -> None:
    from sdexp.engine.evaluate.folders import compare_folders
    from sdexp.engine.hardware import peak_memory_gb

    config = read_config(run.config)
    folders = typed("pictures", FoldersConfig, config.pictures)
    done = compare_folders(run, folders, build_judging(config), Store(default_root()))
    run.change_record(evaluation=EvaluatedRecord(*done, peak_memory_gb()))


def _generate(run: RunFolder, name: str) -> None:
    from sdexp.engine.generate.generation import generate
    from sdexp.engine.saved import check_weights

    folder = run.generated / name
    request = read_record(folder / "request.json", GenerateRequest)
    recipes = read_recipes(run.config)
    check_weights(run, recipes.finetune.given_files(), is_main())
    generate(run, folder, recipes, Store(default_root()), request)


def _prepare(run: RunFolder, name: str) -> None:
    from sdexp.engine.prepare.prepare import prepare

    request = read_record(run.request, PrepareRequest)
    prepare(run, read_recipes(run.config), request)


def _fill(run: RunFolder, name: str) -> None:
    from sdexp.engine.prepare.filling import fill_store

    fill_store(run, read_recipes(run.config), Store(default_root()))


def _export(run: RunFolder, name: str) -> None:
    from sdexp.engine.export import export
    from sdexp.engine.saved import check_weights

    form, _, step = name.partition("-")
    recipes = read_recipes(run.config)
    check_weights(run, recipes.finetune.given_files(), is_main())
    export(run, run.half_export(name), recipes, ExportFormat(form), int(step) if step else None)


def _weights(run: RunFolder, name: str) -> None:
    """One process makes them, and the others wait."""
    from sdexp.engine.hardware import make_accelerator
    from sdexp.engine.train.milestones import write_weights_of

    recipes = read_recipes(run.config)
    if is_main():
        write_weights_of(run, recipes, int(name))
    make_accelerator(recipes.hardware).wait_for_everyone()


def _plan(run: RunFolder, name: str) -> None:
    from sdexp.engine.plan.fitting import measure_what_fits
    from sdexp.engine.plan.plan import check_plan, make_plan
    from sdexp.engine.plan.words import say_disk, say_measured, say_training

    config = read_config(run.config)
    place = Path(config.run_dir)
    store = Store(default_root())
    plan = make_plan(run, place, read_recipes(run.config), store)
    say_training(plan)
    say_disk(plan, place, store)
    check_plan(plan, place, store)
    measured = None
    if config.dry_run == "step":
        plan, measured = measure_what_fits(plan, smaller_batches(plain(config)))
        say_measured(plan, measured)
    write_record(run.plan, plan.record(measured))


STAGES: dict[str, Callable[[RunFolder, str], None]] = {
    "train": _train,
    "evaluate": _evaluate,
    "folders": _folders,
    "generate": _generate,
    "prepare": _prepare,
    "fill": _fill,
    "export": _export,
    "weights": _weights,
    "plan": _plan,
}


if __name__ == "__main__":
    stacks = save_stacks(RunFolder(Path(sys.argv[1])))
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    if code:
        # Not through the end of the interpreter, where libraries may wait for lost peers.
        os._exit(code)
