"""What a job starts: `python -m sdexp.worker RUN STAGE...`; never imports Hydra.

Stages are `train`, `evaluate`, `evaluate:NAME` (of the folder `evaluations/NAME`), `folders`,
`generate:NAME`, `weights:STEP`, `export:FORMAT` and `plan`. Loads the engine inside the stages, so
that it follows its door from the first moment.
"""

import faulthandler
import os
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from sdexp.finetune.formats import ExportFormat
from sdexp.ground.build import read_config, typed
from sdexp.ground.errors import DataError, DiskError, MemoryFault, SdexpError
from sdexp.ground.folders import FoldersConfig
from sdexp.ground.interrupt import Interrupted, check_interrupt, interruptible, listening
from sdexp.ground.lifeline import FOLLOW_PARENT, STACKS_SIGNAL, end_with_parent
from sdexp.ground.pending import adopt, config_at_work
from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.records import (
    EvaluatedRecord,
    EvaluationRecord,
    GenerateRequest,
    Outcome,
)
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store, default_root
from sdexp.recipes import build_judging, read_recipes

REMEDIES = {
    "train": "training.train_batch_size or training.resolution",
    "evaluate": "evaluation.batch_size",
    "folders": "pictures.resolution",
    "generate": "the number of seeds",
    "export": "what else runs on this machine",
    "weights": "what else runs on this machine",
    "plan": "training.train_batch_size or training.resolution",
}
PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "peft", "numpy", "sdexp")


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
        if not _is_out_of_memory(error):
            raise
        told = (str(error).splitlines() or ["no more to be had"])[0]
        return _failed(run, f"out of memory: {told}; lower {REMEDIES[verb]}", MemoryFault.exit_code)
    return 0


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


def _is_out_of_memory(error: BaseException) -> bool:
    import torch

    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    told = ("not enough memory", "can't allocate memory", "out of memory")
    return known or any(words in str(error) for words in told)


def _train(run: RunFolder, name: str) -> None:
    with interruptible():
        trainer = _trainer(run)
    training = trainer.train()
    if is_main():
        from sdexp.engine.saved import describe

        run.change_record(training=training, weights=describe(run.weights))


def _trainer(run: RunFolder) -> Any:
    """Everything that a training needs, checked against what the run began with."""
    from sdexp.engine.data import keep_splits
    from sdexp.engine.evaluate.judges import check_counts
    from sdexp.engine.hardware import device_name
    from sdexp.engine.plan.disk import check_run_disk
    from sdexp.engine.prompts import evaluation_data, evaluation_prompts
    from sdexp.engine.train.setup import set_up
    from sdexp.engine.train.trainer import Trainer

    recipes = read_recipes(config_at_work(run))
    if recipes.evaluation.enabled:
        real = evaluation_data(run, recipes)
        check_counts(recipes.judging, len(evaluation_prompts(real, recipes)), len(real))
    if is_main():
        keep_splits(run, recipes)
    setup = set_up(run, recipes, Store(default_root()))
    _check_unchanged(run, setup.base_weights, setup.data.manifest())
    setup.accelerator.wait_for_everyone()
    if setup.is_main:
        check_run_disk(run, setup)
        if run.pending_record.is_file():
            _check_places(run)
        adopt(run)
        run.change_record(
            stage="train",
            versions={name: version(name) for name in PACKAGES},
            device=device_name(setup.model.device),
            base_weights=setup.base_weights,
            data=run.read_record().data | setup.describe_splits(),
        )
    return Trainer(run, setup)


def _check_places(run: RunFolder) -> None:
    """Raise `DataError` when a finished run could not be trained again where it lies."""
    from sdexp.engine.train.checkpoint import check_whole

    check_whole(run.checkpoints)
    if run.weights.is_file():
        raise DataError(f"{run.weights}: is no folder; remove it")


def _check_unchanged(run: RunFolder, base_weights: dict[str, str], manifest: str) -> None:
    """Raise `DataError` when a run that has checkpoints would go on with other data or weights."""
    from sdexp.engine.originals import check_original
    from sdexp.engine.train.checkpoint import saved_steps

    record = run.read_record()
    if not saved_steps(run.checkpoints) or "train" not in record.data:
        return
    if record.data["train"].manifest != manifest:
        raise DataError(
            f"run_dir={run.path}: the pictures or captions changed since this run's last "
            "checkpoint; put them back or name a new folder"
        )
    check_original(run, base_weights)


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
    from sdexp.engine.evaluate.generation import generate
    from sdexp.engine.saved import check_weights

    folder = run.generated / name
    request = read_record(folder / "request.json", GenerateRequest)
    recipes = read_recipes(run.config)
    check_weights(run, recipes.finetune.given_files(), is_main())
    generate(run, folder, recipes, Store(default_root()), request)


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
    from sdexp.engine.plan.plan import check_plan, make_plan, measure
    from sdexp.engine.plan.words import say_disk, say_measured, say_training

    config = read_config(run.config)
    place = Path(config.run_dir)
    store = Store(default_root())
    plan = make_plan(run, place, read_recipes(run.config), store)
    say_training(plan)
    say_disk(plan, place, store)
    check_plan(plan, place, store)
    measured = measure(plan) if config.dry_run == "step" else None
    if measured is not None:
        say_measured(plan, measured)
    write_record(run.plan, plan.record(measured))


STAGES: dict[str, Callable[[RunFolder, str], None]] = {
    "train": _train,
    "evaluate": _evaluate,
    "folders": _folders,
    "generate": _generate,
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
