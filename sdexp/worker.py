"""What a door starts: `python -m sdexp.worker RUN train|evaluate|generate`; never imports Hydra.

Loads the engine inside the stages, so that it follows its door from the first moment on.
"""

import json
import os
import resource
import sys
import threading
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sdexp.engine.recipes import build_recipes
from sdexp.ground.build import plain, read_config
from sdexp.ground.run import FOLLOW_DOOR, RunFolder
from sdexp.ground.store import Store, default_root
from sdexp.ground.types import ConfigError, DataError, DivergedError, MemoryFault, SdexpError

REMEDIES = {
    "train": "training.train_batch_size",
    "evaluate": "evaluation.batch_size",
    "generate": "the number of seeds",
}
PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "peft", "numpy", "sdexp")


def main() -> int:
    """Run one stage; what became of it stands in run.json.

    A fault of a kind that a person can mend ends in one line. Everything else is a traceback,
    after which the door notes that the worker died.
    """
    if FOLLOW_DOOR in os.environ:
        threading.Thread(target=_end_with_door, daemon=True).start()
    run, stage = RunFolder(Path(sys.argv[1])), sys.argv[2]
    is_main = "RANK" not in os.environ or os.environ["RANK"] == "0"
    try:
        facts = STAGES[stage](run)
    except SdexpError as error:
        code = _failed(run, str(error), error.exit_code, is_main)
        # Every rank meets these, so that none waits for another and no launcher need end them.
        return 0 if isinstance(error, ConfigError | DivergedError) else code
    except KeyboardInterrupt:
        return _failed(run, "interrupted", 130, is_main)
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        told = (str(error).splitlines() or ["no more to be had"])[0]
        reason = f"out of memory: {told}; lower {REMEDIES[stage]}"
        return _failed(run, reason, MemoryFault.exit_code, is_main)
    if is_main:
        run.update_record(**facts, outcome={"exit_code": 0, "reason": None})
    return 0


def _end_with_door() -> None:
    """A worker without a door would write into a folder that the next command takes over."""
    os.read(0, 1)
    os._exit(130)


def _failed(run: RunFolder, reason: str, code: int, is_main: bool) -> int:
    if is_main:
        for line in reason.splitlines():
            print(f"error: {line}", file=sys.stderr)
        run.update_record(outcome={"exit_code": code, "reason": reason})
    return code


def _is_out_of_memory(error: BaseException) -> bool:
    import torch

    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    told = ("not enough memory", "can't allocate memory", "out of memory")
    return known or any(words in str(error) for words in told)


def _train(run: RunFolder) -> dict[str, Any]:
    from sdexp.engine.recorder import opened_data
    from sdexp.engine.sampler import evaluation_data
    from sdexp.engine.trainer import Trainer

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
        run.update_record(
            versions={name: version(name) for name in PACKAGES},
            device=_device_name(trainer.model.device),
            **made_from,
        )
    return {"training": trainer.train() | {"peak_memory_gb": _peak_memory_gb()}}


def _check_unchanged(run: RunFolder, made_from: dict[str, Any]) -> None:
    """Raise `DataError` when a run that has checkpoints would go on with other data or weights."""
    from sdexp.engine.checkpoint import saved_steps

    record = run.read_record()
    if not saved_steps(run.checkpoints) or "data" not in record:
        return
    old, new = record["data"]["train"]["manifest"], made_from["data"]["train"]["manifest"]
    same = {"pictures or captions": old == new,
            "original's weights": record["base_weights"] == made_from["base_weights"]}  # fmt: skip
    changed = [what for what, equal in same.items() if not equal]
    if changed:
        raise DataError(
            f"run_dir={run.path}: the {' and the '.join(changed)} changed since this run's last "
            "checkpoint; put them back or name a new folder"
        )


def _evaluate(run: RunFolder) -> dict[str, Any]:
    from sdexp.engine.evaluation import evaluate
    from sdexp.engine.recorder import opened_data

    file = run.evaluation_config if run.evaluation_config.is_file() else run.config
    config = read_config(file)
    recipes = build_recipes(config)
    facts = evaluate(run, recipes, Store(default_root()), plain(config))
    split = recipes.evaluation.split
    data = run.read_record()["data"] | {split: opened_data(recipes.dataset.open(split))}
    return {"data": data, "evaluation": facts | {"peak_memory_gb": _peak_memory_gb()}}


def _generate(run: RunFolder) -> dict[str, Any]:
    from sdexp.engine.generation import generate

    generate(run, build_recipes(read_config(run.config)), json.loads(run.request.read_text()))
    return {}


STAGES: dict[str, Callable[[RunFolder], dict[str, Any]]] = {
    "train": _train,
    "evaluate": _evaluate,
    "generate": _generate,
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
    sys.exit(main())
