"""What the page of a sweep tells, read from its run folders into plain values."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdexp.ground.errors import ConfigError
from sdexp.ground.nested import leaves
from sdexp.ground.record_files import read_record
from sdexp.ground.records import RunRecord, SweepJob, SweepRecord, TrainingRecord
from sdexp.ground.rows import read_prompt_rows, read_rows
from sdexp.ground.run import SWEEP_RECORD, RunFolder
from sdexp.ground.same_run import what_counts
from sdexp.ground.score_records import MetricRecord, ScoresRecord
from sdexp.pages.run.facts import (
    Facts,
    missing_files,
    missing_results,
    read_beside,
    read_scores,
    read_text,
    readable,
    readable_log,
)

SEED = "training.seed"
CLASS = "._target_"


@dataclass(frozen=True)
class JobFacts:
    """One run: what was asked for, what became of it, and what it left.

    given: override by key; leaves: configuration of the run; counted: what of it makes it the run
    that it is.
    """

    number: int
    run: RunFolder
    given: dict[str, str]
    status: str
    exit_code: int | None
    reason: str | None
    facts: Facts
    leaves: dict[str, str]
    counted: dict[str, str]

    @property
    def scores(self) -> ScoresRecord | None:
        """Scores of a finished run."""
        return self.facts.scores if self.status == "finished" else None

    @property
    def counts(self) -> bool:
        """Whether the run takes part in a ranking: a control is no candidate."""
        return self.scores is not None and self.scores.control is None

    @property
    def metrics(self) -> dict[str, MetricRecord]:
        return self.scores.metrics if self.scores else {}

    @property
    def drift(self) -> float | None:
        """Distance of the pictures from the original's, by the first metric that can tell."""
        drifts = self.scores.drift if self.scores else {}
        return next((drift.value for drift in drifts.values()), None)

    @property
    def training(self) -> TrainingRecord | None:
        return self.facts.record.training

    @property
    def seed(self) -> str | None:
        return self.leaves.get(SEED) or self.given.get(SEED)


@dataclass(frozen=True)
class Sweep:
    """The jobs of a folder; `columns` are the keys whose values differ, `fixed` the others.

    record: None for a folder of runs that is no sweep; implied: further keys whose values differ,
    because what was asked for brought them along, such as the learning rate of a strategy.
    """

    folder: Path
    record: SweepRecord | None
    jobs: list[JobFacts]
    columns: list[str]
    implied: list[str]
    fixed: dict[str, str]

    @property
    def counted(self) -> list[JobFacts]:
        return [job for job in self.jobs if job.counts]

    @property
    def primary(self) -> str | None:
        """The metric that ranks: what the first scored run declared."""
        return next((job.scores.primary for job in self.counted if job.scores), None)

    @property
    def metric_names(self) -> list[str]:
        """Every metric of any run, the primary first."""
        names = {name: None for job in self.jobs for name in job.metrics}
        return sorted(names, key=lambda name: name != self.primary)

    def settings(self, job: JobFacts) -> dict[str, str]:
        """What sets a job apart, by column; the training seed does not."""
        return {c: job.given[c] for c in self.columns if c != SEED and c in job.given}

    def label(self, job: JobFacts, with_seed: bool = False) -> str:
        """The settings in one short line."""
        settings = self.settings(job)
        if with_seed and SEED in self.columns and SEED in job.given:
            settings[SEED] = job.given[SEED]
        return ", ".join(f"{self.short(k)}={self.value(k, v)}" for k, v in settings.items())

    def short(self, column: str) -> str:
        """The last word of a key where no other column ends with it."""
        column = column.removesuffix(CLASS)
        last = column.rpartition(".")[2]
        every = [*self.columns, *self.implied]
        alike = [c for c in every if c.removesuffix(CLASS).rpartition(".")[2] == last]
        return last if len(alike) == 1 else column

    def shown(self, job: JobFacts) -> list[str | None]:
        """A job's values in all columns, those brought along too; None where it has none."""
        values = [job.given[c] if c in job.given else None for c in self.columns]
        return values + [job.counted[c] if c in job.counted else None for c in self.implied]

    def value(self, column: str, value: str) -> str:
        """A value as shown; of a class its name is enough."""
        return value.rpartition(".")[2] if column.endswith(CLASS) else value


def read_runs(folder: Path, places: list[Path]) -> Sweep:
    """Read runs, wherever they lie; a place may be a folder of runs. `folder`: of their page.

    Raises `ConfigError` for a place without any run.
    """
    runs = []
    for place in places:
        found = [RunFolder(place)] if RunFolder(place).config.is_file() else _runs_in(place)
        if not found:
            raise ConfigError(f"runs={place}: no run folder in it; name runs or folders of them")
        runs += found
    jobs = [_found_job(number, run) for number, run in enumerate(runs)]
    columns = _without_implied([job.given for job in jobs])
    return Sweep(folder, None, jobs, columns, _implied(jobs, columns), {})


def read_sweep(folder: Path) -> Sweep:
    """Read a sweep, or any folder whose folders are runs; what is missing or broken is no error.

    Raises `ConfigError` for a folder without any run, and `DataError` for a damaged sweep.json.
    """
    if RunFolder(folder).config.is_file():
        raise ConfigError(f"runs={folder}: is itself a run folder; use run={folder}")
    file = folder / SWEEP_RECORD
    record = read_record(file, SweepRecord) if file.is_file() else None
    if record:
        jobs = [_sweep_job(folder, entry) for entry in record.jobs]
        columns = _differing([job.given for job in jobs])
    else:
        jobs = [_found_job(number, run) for number, run in enumerate(_runs_in(folder))]
        columns = _without_implied([job.given for job in jobs])
    if not jobs:
        raise ConfigError(f"runs={folder}: no run folder in it; name a sweep below multirun/")
    given = jobs[0].given
    fixed = {key: given[key] for key in given if key not in columns} if record else {}
    return Sweep(folder, record, jobs, columns, _implied(jobs, columns), fixed)


def _implied(jobs: list[JobFacts], columns: list[str]) -> list[str]:
    """Keys that differ beside the columns; a class does where its group is a column."""
    differing = _without_implied([job.counted for job in jobs if job.counted])
    return [key for key in differing if not {key, key.removesuffix(CLASS)} & {*columns}]


def _sweep_job(folder: Path, entry: SweepJob) -> JobFacts:
    run = RunFolder(folder / str(entry.number))
    words = [word.lstrip("+").partition("=") for word in entry.overrides]
    given = {key: value for key, _, value in words}
    facts, config = _read(run)
    state = (entry.status, entry.exit_code, entry.reason)
    every = _as_typed(dict(leaves(config)))
    return JobFacts(entry.number, run, given, *state, facts, every, _as_typed(what_counts(config)))


def _runs_in(folder: Path) -> list[RunFolder]:
    """The runs of a folder, in the order of their names."""
    inside = [*folder.glob("*/"), *folder.glob("*/*/")] if folder.is_dir() else []
    runs = [RunFolder(path) for path in sorted(inside)]
    return [run for run in runs if run.config.is_file() or run.record.is_file()]


def _found_job(number: int, run: RunFolder) -> JobFacts:
    facts, config = _read(run)
    known = run.record.is_file() and facts.record != RunRecord()
    state = (
        facts.record.status if known else "unknown",
        facts.record.exit_code,
        facts.record.reason,
    )
    counted = _as_typed(what_counts(config))
    return JobFacts(number, run, counted, *state, facts, _as_typed(dict(leaves(config))), counted)


def _read(run: RunFolder) -> tuple[Facts, dict[str, Any]]:
    """Facts and configuration of a run, as far as they can be read."""
    faults: list[str] = []
    record = readable(run.record, _read_run, faults) or RunRecord()
    config = readable(run.config, _read_config, faults) or {}
    faults += missing_files(run, record) + missing_results(run, record.evaluation)
    facts = Facts(
        record=record,
        evaluation=None,
        config="",
        log=readable_log(run.log, faults),
        scores=readable(run.scores, read_scores, faults),
        rows=readable(run.per_image, read_rows, faults) or [],
        prompts=readable(run.per_prompt, read_prompt_rows, faults) or [],
        beside=read_beside(run, faults),
        faults=faults,
    )
    return facts, config


def _read_run(path: Path) -> RunRecord:
    return read_record(path, RunRecord)


def _read_config(path: Path) -> dict[str, Any]:
    """The values as plain YAML has them, so that they show as they were typed."""
    import yaml

    values: dict[str, Any] = yaml.safe_load(read_text(path))
    return values


def _as_typed(values: dict[str, Any]) -> dict[str, str]:
    """Values as a person would write them."""
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}


def _differing(given: list[dict[str, str]]) -> list[str]:
    """Keys that do not have one value throughout; to be absent is a value too."""
    keys = {key: None for one in given for key in one}
    return [key for key in keys if len({one.get(key) for one in given}) > 1]


def _without_implied(given: list[dict[str, str]]) -> list[str]:
    """Differing keys, less those that are absent only because another class has no such field."""
    differing = _differing(given)
    classes = {key.removesuffix(CLASS) for key in differing if key.endswith(CLASS)}
    kept = []
    for key in differing:
        own = key.endswith(CLASS) or not any(key.startswith(f"{c}.") for c in classes)
        if own or len({one[key] for one in given if key in one}) > 1:
            kept.append(key)
    return kept
