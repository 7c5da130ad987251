"""A run as the service finds it, and the files that decide whether it is still the same."""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sdexp.ground.errors import SdexpError
from sdexp.ground.fingerprints import SeenFile
from sdexp.ground.record_files import read_record
from sdexp.ground.records import RunRecord
from sdexp.ground.run import RunFolder
from sdexp.ground.score_records import ScoresRecord
from sdexp.ground.serving import Weights
from sdexp.launch.door import finished_run, usable_run
from sdexp.recipes import Recipes, read_recipes


@dataclass(frozen=True)
class FoundRun:
    """A run as it was when it was looked at; `fault`: why it cannot be served."""

    id: str
    run: RunFolder
    record: RunRecord
    recipes: Recipes | None
    scores: ScoresRecord | None
    fault: str | None


def facts_of(run: RunFolder) -> tuple[SeenFile, ...]:
    """What changes when a run does."""
    return _seen([run.record, run.config, run.scores])


def folder_of(weights: Weights) -> Path:
    """Where weights lie; an original's are those that its run was made from."""
    run = RunFolder(Path(weights.run))
    if weights.kind == "checkpoint":
        return run.weights_at(int(weights.name))
    return run.export(weights.name) if weights.kind == "export" else run.path


def files_of(weights: Weights) -> tuple[SeenFile, ...]:
    """The run's facts with the files of the weights themselves, which a proof is about."""
    run = RunFolder(Path(weights.run))
    folder = run.weights if weights.kind in ("original", "run") else folder_of(weights)
    try:
        files = sorted(folder.rglob("*.safetensors"))
    except OSError:
        # It goes while we look.
        files = []
    return facts_of(run) + _seen(files)


def _seen(files: list[Path]) -> tuple[SeenFile, ...]:
    """Those that are there."""
    found = []
    for file in files:
        with suppress(OSError):
            found.append(SeenFile.of(file))
    return tuple(found)


def look_at(name: str, run: RunFolder) -> FoundRun | None:
    """None for what is no run of a model."""
    try:
        record = run.read_record()
        if record.of_folders:
            return None
        usable_run(str(run.path))
        recipes = read_recipes(run.config)
        scores = read_record(run.scores, ScoresRecord) if run.scores.is_file() else None
    except SdexpError as error:
        return FoundRun(name, run, RunRecord(), None, None, str(error))
    try:
        finished_run(run, recipes.finetune)
    except SdexpError as error:
        return FoundRun(name, run, record, recipes, scores, str(error))
    return FoundRun(name, run, record, recipes, scores, None)
