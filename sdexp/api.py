"""The package for programs: train, evaluate, and what a run folder holds.

>>> import sdexp.api
>>> run = sdexp.api.train(["debug=fast", "tracker=none", "finetune=unet"])
>>> run.config["training"]["max_train_steps"]
4
>>> run.log.column_names
['step', 'epoch', 'split', 'name', 'value', 'time']
>>> run.scores.primary, run.scores.n_prompts
('kid', 4)
>>> len(run.pictures)  # 4 prompts by both models
8
>>> pipeline = run.pipeline("finetuned")  # one of plain diffusers, its weights proved to be in
>>> pipeline("a big red heart", num_inference_steps=2).images[0].size
(64, 64)
>>> again = sdexp.api.evaluate(run, ["evaluation.split=val"])
>>> again.scores.n_split
200
"""

import os
import secrets
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sdexp import evaluate as evaluate_door
from sdexp import train as train_door
from sdexp.ground.build import plain, read_config, read_run_config
from sdexp.ground.errors import ConfigError, RunFailed
from sdexp.ground.log import LogRow, read_log
from sdexp.ground.record_files import read_record
from sdexp.ground.records import EvaluationRecord
from sdexp.ground.rows import PictureRow, read_rows
from sdexp.ground.run import MODELS, EvaluationFolder, RunFolder
from sdexp.ground.score_records import ScoresRecord
from sdexp.launch.arguments import Arguments
from sdexp.launch.door import call, existing_run, finished_run, usable_run
from sdexp.launch.freeze import OUTPUTS
from sdexp.recipes import read_recipes

if TYPE_CHECKING:
    import pyarrow as pa

RUN_DIR = "run_dir="
Model = Literal["original", "finetuned"]


@dataclass(frozen=True)
class AbstractEvaluated(ABC):
    """A folder with the results of an evaluation."""

    path: Path

    @property
    @abstractmethod
    def config(self) -> dict[str, Any]:
        """The configuration, nested; raises `ConfigError` where it is damaged."""

    @property
    def scores(self) -> ScoresRecord:
        """Raises `DataError` where there are none, or damaged ones."""
        return read_record(EvaluationFolder(self.path).scores, ScoresRecord)

    @property
    def pictures(self) -> list[PictureRow]:
        """A row for each picture of both models, with its scores; `path` is below the folder."""
        return read_rows(EvaluationFolder(self.path).per_image)


@dataclass(frozen=True)
class Evaluation(AbstractEvaluated):
    """An evaluation beside a run's own, in a folder of its own."""

    @property
    def config(self) -> dict[str, Any]:
        return plain(read_config(EvaluationFolder(self.path).config))


@dataclass(frozen=True)
class Run(AbstractEvaluated):
    """A run folder, with the run's own evaluation; raises `ConfigError` where it is none."""

    def __post_init__(self) -> None:
        # People name folders by text.
        object.__setattr__(self, "path", existing_run(str(self.path)).path)

    @property
    def config(self) -> dict[str, Any]:
        return plain(read_run_config(RunFolder(self.path).config))

    @property
    def log(self) -> "pa.Table":
        """Everything that was logged, a number a row; `time` in seconds since 1970."""
        import pyarrow as pa

        rows = [asdict(row) for row in read_log(RunFolder(self.path).log).rows]
        names = list(LogRow.__dataclass_fields__)
        return pa.table({name: [row[name] for row in rows] for name in names})

    @property
    def evaluations(self) -> list[Evaluation]:
        """All that came to their end beside the run's own, the oldest first."""
        records = sorted(RunFolder(self.path).evaluations.glob("*/evaluation.json"))
        whole = [r for r in records if read_record(r, EvaluationRecord).status == "finished"]
        return [Evaluation(record.parent) for record in whole]

    def pipeline(self, model: Model = "finetuned", device: str = "cpu") -> Any:
        """A pipeline of diffusers with the original, or with the run's weights in it.

        Raises `ConfigError` for another model and for a run that is not trained, `DataError` where
        the original is not what the run was made from, and without a whole proof that the weights
        are in (tensors applied, none missing, none unexpected).
        """
        from sdexp.engine.originals import check_original
        from sdexp.engine.weights import apply_weights

        if model not in MODELS:
            raise ConfigError(f"model={model}: allowed is {' or '.join(MODELS)}")
        run = usable_run(str(self.path))
        recipes = read_recipes(run.config)
        if model == "finetuned":
            finished_run(run, recipes.finetune)
        loaded = recipes.model.load(device)
        check_original(run, loaded.fingerprints())
        if model == "finetuned":
            apply_weights(recipes.finetune, loaded, run.weights)
        return loaded.pipeline


def train(words: list[str]) -> Run:
    """What `python -m sdexp.train WORDS` does; what it would print goes to stderr.

    Raises `SdexpError` for what is refused, and `RunFailed` for a run that began and failed.
    """
    _refuse(words, "dry_run=", "sweep=", "sweep.")
    named = [word.removeprefix(RUN_DIR) for word in words if word.startswith(RUN_DIR)]
    path = Path(named[-1]) if named else _new_place()
    _call(train_door.work, [*words, f"{RUN_DIR}{path}"], path)
    return Run(path)


def evaluate(run: Run, words: list[str]) -> AbstractEvaluated:
    """What `python -m sdexp.evaluate run=... WORDS` does; raises as `train` does.

    Returns the newest evaluation beside the run's own, or the run where its own was made now.
    Raises `ConfigError` where nothing was left to do.
    """
    _refuse(words, "run=", "original=", "finetuned=", "pictures.")
    own = RunFolder(run.path).scores
    had_own = own.is_file()
    before = run.evaluations
    _call(evaluate_door.work, [f"run={run.path}", *words], run.path)
    new = [one for one in run.evaluations if one not in before]
    if new:
        return new[-1]
    if had_own:
        raise ConfigError(f"{' '.join(words)}: evaluated before; it is among Run.evaluations")
    return run


def _refuse(words: list[str], *beginnings: str) -> None:
    """Raise `ConfigError` for words that would make something else than is returned."""
    for word in words:
        if word.lstrip("+~").startswith(beginnings):
            raise ConfigError(f"{word}: not for sdexp.api; use the command")


@contextmanager
def _children_too() -> Iterator[None]:
    """What processes print that are started here goes to stderr too."""
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def _new_place() -> Path:
    """A folder that nobody else has, which the training makes."""
    now = datetime.now()
    return OUTPUTS / f"{now:%Y-%m-%d}" / f"{now:%H-%M-%S}_api_{secrets.token_hex(2)}"


def _call(work: Callable[[Arguments], int], words: list[str], path: Path) -> None:
    with redirect_stdout(sys.stderr), _children_too():
        code = call(work, words)
    if code:
        raise RunFailed(f"{path}: ended with exit code {code}; why stands in it and above", code)
