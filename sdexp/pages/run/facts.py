"""What a run's report tells, read from its folder into plain values."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sdexp.ground.build import read_config, read_run_config
from sdexp.ground.errors import ConfigError, DataError
from sdexp.ground.log import Log, read_log
from sdexp.ground.record_files import read_record
from sdexp.ground.records import EvaluatedRecord, EvaluationRecord, RunRecord
from sdexp.ground.rows import PictureRow, PromptRow, read_prompt_rows, read_rows
from sdexp.ground.run import EvaluationFolder, RunFolder
from sdexp.ground.score_records import ScoresRecord

T = TypeVar("T")


@dataclass(frozen=True)
class Beside:
    """An evaluation beside the run's own, as its folder tells it."""

    folder: EvaluationFolder
    record: EvaluationRecord
    scores: ScoresRecord | None


@dataclass(frozen=True)
class Facts:
    """Everything that a report shows; `scores` is None without an evaluation.

    evaluation: where the evaluation comes from, None for the run's own; beside: the others; faults:
    what is there and cannot be read.
    """

    record: RunRecord
    evaluation: EvaluationRecord | None
    config: str
    log: Log
    scores: ScoresRecord | None
    rows: list[PictureRow]
    prompts: list[PromptRow]
    beside: list[Beside]
    faults: list[str]

    @property
    def title(self) -> str:
        choices = self.record.choices
        if self.record.of_folders:
            return "given pictures"
        parts = [choices[group] for group in ("finetune", "model", "dataset") if group in choices]
        return " / ".join(parts) or "run"

    @property
    def evaluated(self) -> EvaluatedRecord | None:
        """What the evaluation took; None before its end."""
        return self.record.evaluation if self.evaluation is None else self.evaluation.evaluation

    @property
    def warnings(self) -> list[str]:
        lines = self.faults + self.record.warnings
        for name, split in self.record.data.items():
            lines += [f"data {name}: {line}" for line in split.warnings]
        lines += self.scores.warnings if self.scores else []
        for key in self.evaluation.chosen_later if self.evaluation else []:
            lines.append(f"{key} was chosen after the run, so the verdict was not declared before")
        for steps in self.record.grown_from:
            end = "earlier" if steps is None else f"at step {steps}"
            lines.append(
                f"first meant to end {end}, then trained further: unless the schedule is "
                "constant, one run of the whole length has other weights"
            )
        # The evaluation tells of its split what the training may have told.
        return [*dict.fromkeys(lines + self._older())]

    def _older(self) -> list[str]:
        training = self.record.training
        if self.evaluation is None or training is None or self.evaluation.steps == training.steps:
            return []
        steps = self.evaluation.steps
        return [f"made with the weights of step {steps}; the run has {training.steps} steps now"]

    def curve(self, split: str, name: str) -> list[tuple[int, float]]:
        """(step, value) of one logged number."""
        return [(r.step, r.value) for r in self.log.rows if r.split == split and r.name == name]

    @property
    def losses_by_epoch(self) -> list[tuple[float, float]]:
        """(passes over the data so far, loss) of each training step."""
        rows = [r for r in self.log.rows if r.split == "train" and r.name == "loss"]
        return [(row.epoch, row.value) for row in rows]


def read_facts(run: RunFolder, folder: EvaluationFolder | None = None) -> Facts:
    """Read a run folder and one evaluation, the run's own unless another is named.

    What a run has not reached yet is absent, not an error. Raises `DataError` where run.json cannot
    be read: without it nothing can be told.
    """
    at = folder or run
    faults: list[str] = []
    record = run.read_record()
    evaluation = None if folder is None else read_record(at.evaluation_record, EvaluationRecord)
    evaluated = record.evaluation if evaluation is None else evaluation.evaluation
    faults += missing_files(run, record) + missing_results(at, evaluated)
    return Facts(
        record=record,
        evaluation=evaluation,
        config=readable(at.config, Path.read_text if record.of_folders else read_text, faults)
        or "",
        log=readable_log(run.log, faults),
        scores=readable(at.scores, read_scores, faults),
        rows=readable(at.per_image, read_rows, faults) or [],
        prompts=readable(at.per_prompt, read_prompt_rows, faults) or [],
        beside=read_beside(run, faults),
        faults=faults,
    )


def readable(path: Path, reader: Callable[[Path], T], faults: list[str]) -> T | None:
    """What stands in a file; None where it is missing, or damaged, which is noted."""
    try:
        return reader(path) if path.is_file() else None
    except DataError as error:
        faults.append(str(error))
        return None


def read_scores(path: Path) -> ScoresRecord:
    """The scores of an evaluation; raises `DataError`."""
    return read_record(path, ScoresRecord)


def readable_log(path: Path, faults: list[str]) -> Log:
    """The good rows of a log; the others are noted."""
    log = read_log(path)
    if log.damaged:
        several = f"{len(log.damaged)} lines are" if len(log.damaged) > 1 else "1 line is"
        faults.append(f"{path}: {several} damaged (first: line {log.damaged[0]})")
    return log


def missing_files(run: RunFolder, record: RunRecord) -> list[str]:
    """What a run wrote and is not there any more."""
    written = [run.config, run.log] if record.training else [run.config]
    written += [run.weights / name for name in record.weights]
    return _missing(written)


def missing_results(folder: EvaluationFolder, evaluated: EvaluatedRecord | None) -> list[str]:
    """What an evaluation that came to its end wrote and is not there any more."""
    written = [folder.scores, folder.per_image, folder.per_prompt]
    found = _missing(written) if evaluated else []
    return [f"{line} or evaluate again" for line in found]


def _missing(written: list[Path]) -> list[str]:
    return [f"{path}: missing; put it back" for path in written if not path.is_file()]


def read_any(path: Path) -> str:
    """The text of a configuration that is not a run's; raises `DataError` where it is none."""
    return _text(path, read_config)


def read_text(path: Path) -> str:
    """The text of a run's configuration; raises `DataError` where it is none."""
    return _text(path, read_run_config)


def _text(path: Path, reader: Callable[[Path], object]) -> str:
    try:
        reader(path)
    except ConfigError as error:
        raise DataError(str(error)) from error
    return path.read_text()


def read_beside(run: RunFolder, faults: list[str]) -> list[Beside]:
    """The evaluations beside the run's own, in the order of their names."""
    found = []
    for path in sorted(run.evaluations.glob("*/")):
        folder = EvaluationFolder(path)
        record = readable(folder.evaluation_record, _read_evaluation, faults)
        if record is not None:
            found.append(Beside(folder, record, readable(folder.scores, read_scores, faults)))
    return found


def _read_evaluation(path: Path) -> EvaluationRecord:
    return read_record(path, EvaluationRecord)
