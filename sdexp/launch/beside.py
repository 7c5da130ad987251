"""Evaluations beside a run's own: each whole in a folder below `evaluations/`."""

import re
import shutil
from dataclasses import replace
from datetime import datetime
from typing import Any

from sdexp.ground.build import Config, plain, read_config, write_config
from sdexp.ground.nested import leaves
from sdexp.ground.pending import now
from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.records import EvaluationRecord, Outcome
from sdexp.ground.run import EvaluationFolder, RunFolder
from sdexp.launch.freeze import changes
from sdexp.launch.job import REFUSED, run_followed, status_of, write_page
from sdexp.recipes import Recipes

# What a verdict rests on.
PRIMARY = "evaluation.primary"
SMALLEST_EFFECT = ".smallest_effect."
NAME_LENGTH = 60
STEP = "checkpoint-"
# Groups whose parts have names.
NAMED_PARTS = ("metric", "backbone")


def evaluate_beside(
    run: RunFolder, configs: list[Config], recipes: Recipes, command: str, lock: int
) -> tuple[int, list[EvaluationFolder]]:
    """Evaluate by other configurations than the run's own, one after the other in one worker.

    Exit code and folders.
    """
    known = [_evaluated(run, config, finished=False) for config in configs]
    pairs = zip(configs, known, strict=True)
    folders = [found or _frozen(run, config, command) for config, found in pairs]
    stages = []
    for folder, config in zip(folders, configs, strict=True):
        print(f"evaluation folder: {folder.path}", flush=True)
        step = config.evaluation.checkpoint
        stages += [] if step is None else [f"weights:{step}"]
        stages.append(f"evaluate:{folder.path.name}")

    new = {folder.path for folder, found in zip(folders, known, strict=True) if found is None}

    def note(outcome: Outcome) -> None:
        kept = [f for f in folders if not _is_refused(f, outcome, f.path in new)]
        for folder in kept:
            _note(folder, outcome)
        if outcome.exit_code < 128:
            _write_pages(run, kept)

    outcome = run_followed(run, recipes, stages, lock, note)
    for folder in folders:
        if _is_refused(folder, outcome, folder.path in new):
            shutil.rmtree(folder.path)
            print(f"nothing was evaluated; {folder.path} is removed", flush=True)
    if outcome.exit_code > 128:
        # An interrupted one has nothing to show, those before it have; a signal waits for none.
        _write_pages(run, [folder for folder in folders if folder.scores.is_file()])
    return outcome.exit_code, folders


def _write_pages(run: RunFolder, made: list[EvaluationFolder]) -> None:
    for folder in made:
        write_page(run, folder)
    if made:
        # The run's own page links them.
        write_page(run)


def _is_refused(folder: EvaluationFolder, outcome: Outcome, is_new: bool) -> bool:
    """Whether a new evaluation was refused before it made anything."""
    record = read_record(folder.evaluation_record, EvaluationRecord)
    nothing = record.evaluation is None and not folder.partial.exists()
    return is_new and nothing and outcome.exit_code in REFUSED


def _note(folder: EvaluationFolder, outcome: Outcome) -> None:
    """What became of an evaluation."""
    record = read_record(folder.evaluation_record, EvaluationRecord)
    done = record.evaluation is not None
    ended = replace(
        record,
        status="finished" if done else status_of(outcome),
        exit_code=0 if done else outcome.exit_code,
        reason=None if done else outcome.reason,
        ended=now(),
    )
    write_record(folder.evaluation_record, ended)


def is_evaluated(run: RunFolder, config: Config) -> bool:
    """Whether there is a whole evaluation by this configuration."""
    return _evaluated(run, config, finished=True) is not None


def _evaluated(run: RunFolder, config: Config, finished: bool) -> EvaluationFolder | None:
    """An evaluation of the same configuration that came to its end, or one that did not."""
    wanted = dict(leaves(plain(config)))
    for path in sorted(run.evaluations.glob("*/evaluation.json")):
        folder = EvaluationFolder(path.parent)
        record = read_record(path, EvaluationRecord)
        same = dict(leaves(plain(read_config(folder.config)))) == wanted
        is_done = record.status == "finished"
        if same and is_done == finished and record.steps == _steps(run):
            return folder
    return None


def _frozen(run: RunFolder, config: Config, command: str) -> EvaluationFolder:
    differs = changes(run, config)
    values = list(dict.fromkeys(word for word in map(_word, differs.items()) if word))
    # Of several that begin at once only the step differs: it must not be cut off.
    values.sort(key=lambda word: not word.startswith(STEP))
    words = re.sub(r"[^A-Za-z0-9.]+", "-", "_".join(values) or "again")[:NAME_LENGTH].strip("-.")
    folder = run.evaluation(f"{datetime.now():%Y-%m-%d_%H-%M-%S}_{words}")
    record = EvaluationRecord(
        command=command,
        started=now(),
        differs=list(dict.fromkeys(map(_line, differs.items()))),
        chosen_later=[key for key in differs if key == PRIMARY or SMALLEST_EFFECT in key],
        steps=_steps(run),
        checkpoint=config.evaluation.checkpoint,
    )
    write_config(folder.config, config)
    write_record(folder.evaluation_record, record)
    return folder


def _word(difference: tuple[str, tuple[Any, Any]]) -> str:
    """What of a difference goes into a folder's name; nothing of what is left out."""
    key, (old, new) = difference
    group, _, rest = key.partition(".")
    if group in NAMED_PARTS and old is None:
        return f"{group}-{rest.partition('.')[0]}"
    return "" if new is None else f"{key.rpartition('.')[2]}-{new}"


def _line(difference: tuple[str, tuple[Any, Any]]) -> str:
    """A difference for a person; a part that comes or goes is one, whatever keys it has."""
    key, (old, new) = difference
    group, _, rest = key.partition(".")
    name = rest.partition(".")[0]
    if group in NAMED_PARTS and old is None:
        return f"{group}: {name} too"
    if group in NAMED_PARTS and new is None:
        return f"{group}: without {name}"
    return f"{key}: {old} -> {new}"


def _steps(run: RunFolder) -> int | None:
    training = run.read_record().training
    return training.steps if training else None
