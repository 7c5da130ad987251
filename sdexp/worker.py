"""What a job starts: `python -m sdexp.worker RUN STAGE...`; never imports Hydra.

Stages are train, evaluate, generate and plan. Loads the engine inside the stages, so that it
follows its door from the first moment on.
"""

import faulthandler
import json
import os
import resource
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from sdexp.ground.build import plain, read_config
from sdexp.ground.errors import DataError, DiskError, MemoryFault, SdexpError
from sdexp.ground.interrupt import Interrupted, check_interrupt, interruptible, listening
from sdexp.ground.run import FOLLOW_DOOR, STACKS_SIGNAL, RunFolder, end_with_parent
from sdexp.ground.store import Store, default_root
from sdexp.recipes import build_recipes

REMEDIES = {
    "train": "training.train_batch_size",
    "evaluate": "evaluation.batch_size",
    "generate": "the number of seeds",
    "plan": "training.train_batch_size",
}
PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "peft", "numpy", "sdexp")


def main() -> int:
    """Run stages one after the other; what became of them stands in run.json.

    A fault of a kind that a person can mend ends in one line. Everything else is a traceback,
    after which the door notes that the worker died.
    """
    if FOLLOW_DOOR in os.environ:
        threading.Thread(target=end_with_parent, daemon=True).start()
    run = RunFolder(Path(sys.argv[1]))
    stages = sys.argv[2:]
    with listening():
        return _run_stages(run, stages)


def _run_stages(run: RunFolder, stages: list[str]) -> int:
    stage = stages[0]
    try:
        for stage in stages:
            check_interrupt()
            if is_main() and stage in RECORDED:
                run.update_record(stage=stage)
            facts = STAGES[stage](run)
            if is_main():
                run.update_record(**facts)
        if is_main():
            run.update_record(outcome={"exit_code": 0, "reason": None})
    except (SdexpError, Interrupted) as error:
        return _failed(run, str(error), error.exit_code)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        told = (str(error).splitlines() or ["no more to be had"])[0]
        return _failed(
            run, f"out of memory: {told}; lower {REMEDIES[stage]}", MemoryFault.exit_code
        )
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
            run.update_record(outcome={"exit_code": code, "reason": reason})
    return code


def _is_out_of_memory(error: BaseException) -> bool:
    import torch

    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    told = ("not enough memory", "can't allocate memory", "out of memory")
    return known or any(words in str(error) for words in told)


def _train(run: RunFolder) -> dict[str, Any]:
    with interruptible():
        trainer = _trainer(run)
    return {"training": trainer.train() | {"peak_memory_gb": _peak_memory_gb()}}


def _trainer(run: RunFolder) -> Any:
    """Everything that a training needs, checked against what the run began with."""
    from sdexp.engine.plan.disk import check_trainer_disk
    from sdexp.engine.prompts import evaluation_data
    from sdexp.engine.recorder import opened_data
    from sdexp.engine.train.trainer import Trainer

    config = read_config(run.config)
    recipes = build_recipes(config)
    if recipes.evaluation.enabled:
        evaluation_data(recipes)
    trainer = Trainer(run, recipes, Store(default_root()), plain(config))
    made_from = {
        "base_weights": trainer.base_weights,
        "data": {"train": opened_data(trainer.data)},
    }
    _check_unchanged(run, made_from)
    if trainer.is_main:
        check_trainer_disk(trainer)
        run.update_record(
            versions={name: version(name) for name in PACKAGES},
            device=_device_name(trainer.model.device),
            **made_from,
        )
    return trainer


def _check_unchanged(run: RunFolder, made_from: dict[str, Any]) -> None:
    """Raise `DataError` when a run that has checkpoints would go on with other data or weights."""
    from sdexp.engine.train.checkpoint import saved_steps

    record = run.read_record()
    if not saved_steps(run.checkpoints) or "data" not in record:
        return
    old = record["data"]["train"]["manifest"]
    new = made_from["data"]["train"]["manifest"]
    same = {
        "pictures or captions": old == new,
        "original's weights": record["base_weights"] == made_from["base_weights"],
    }
    changed = [what for what, equal in same.items() if not equal]
    if changed:
        raise DataError(
            f"run_dir={run.path}: the {' and the '.join(changed)} changed since this run's last "
            "checkpoint; put them back or name a new folder"
        )


def _evaluate(run: RunFolder) -> dict[str, Any]:
    with interruptible():
        from sdexp.engine.evaluate.evaluation import evaluate
        from sdexp.engine.recorder import opened_data

    file = run.evaluation_config if run.evaluation_config.is_file() else run.config
    config = read_config(file)
    recipes = build_recipes(config)
    facts = evaluate(run, recipes, Store(default_root()), plain(config))
    if not is_main():
        return {}
    split = recipes.evaluation.split
    data = run.read_record()["data"] | {split: opened_data(recipes.dataset.open(split))}
    return {"data": data, "evaluation": facts | {"peak_memory_gb": _peak_memory_gb()}}


def _generate(run: RunFolder) -> dict[str, Any]:
    from sdexp.engine.evaluate.generation import generate

    request = json.loads(run.request.read_text())
    generate(run, build_recipes(read_config(run.config)), Store(default_root()), request)
    return {}


def _plan(run: RunFolder) -> dict[str, Any]:
    from sdexp.engine.plan.plan import plan

    config = read_config(run.config)
    recipes = build_recipes(config)
    measure = config.dry_run == "step"
    return {"plan": plan(run, recipes, Store(default_root()), plain(config), measure)}


RECORDED = ("train", "evaluate")
STAGES: dict[str, Callable[[RunFolder], dict[str, Any]]] = {
    "train": _train,
    "evaluate": _evaluate,
    "generate": _generate,
    "plan": _plan,
}


def _device_name(device: str) -> str:
    import torch

    if torch.device(device).type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({torch.get_num_threads()} threads)"


def _peak_memory_gb() -> float:
    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kilobytes * 1024 / 1e9


if __name__ == "__main__":
    stacks = save_stacks(RunFolder(Path(sys.argv[1])))
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    if code:
        # Not through the end of the interpreter, where libraries may wait for lost peers.
        os._exit(code)
