"""What the page of a sweep tells, read from its run folders into plain values."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sdexp.ground.errors import ConfigError
from sdexp.ground.run import SWEEP_RECORD, RunFolder
from sdexp.pages.run.facts import Facts, read_log, read_rows

SEED = "training.seed"
# Where a run lies and who watches it does not change what it computes.
NOT_COMPARED = ("run_dir", "resume", "sweep.", "tracker.", "dry_run")
CLASS = "._target_"

T = TypeVar("T")


@dataclass(frozen=True)
class JobFacts:
    """One run: what was asked for, what became of it, and what it left.

    given: override by key; leaves: configuration of the run and of its latest evaluation;
    faults: files that are there and cannot be read.
    """

    number: int
    run: RunFolder
    given: dict[str, str]
    status: str
    exit_code: int | None
    reason: str | None
    facts: Facts
    leaves: dict[str, str]
    faults: list[str]

    @property
    def scores(self) -> dict[str, Any] | None:
        """Scores of a finished run."""
        return self.facts.scores if self.status == "finished" else None

    @property
    def counts(self) -> bool:
        """Whether the run takes part in a ranking: a control is no candidate."""
        return self.scores is not None and self.scores["control"] is None

    @property
    def metrics(self) -> dict[str, Any]:
        return self.scores["metrics"] if self.scores else {}

    @property
    def drift(self) -> float | None:
        """Distance of the pictures from the original's, by the first metric that can tell."""
        drifts = self.scores["drift"] if self.scores and "drift" in self.scores else {}
        return next((float(drift["value"]) for drift in drifts.values()), None)

    @property
    def training(self) -> dict[str, Any]:
        record = self.facts.record
        return record["training"] if "training" in record else {}

    @property
    def seed(self) -> str | None:
        return self.leaves.get(SEED) or self.given.get(SEED)


@dataclass(frozen=True)
class Sweep:
    """The jobs of a folder; `columns` are the keys whose values differ, `fixed` the others."""

    folder: Path
    record: dict[str, Any]
    jobs: list[JobFacts]
    columns: list[str]
    fixed: dict[str, str]

    @property
    def counted(self) -> list[JobFacts]:
        return [job for job in self.jobs if job.counts]

    @property
    def primary(self) -> str | None:
        """The metric that ranks: what the first scored run declared."""
        return next((str(job.scores["primary"]) for job in self.counted if job.scores), None)

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
        alike = [c for c in self.columns if c.removesuffix(CLASS).rpartition(".")[2] == last]
        return last if len(alike) == 1 else column

    def value(self, column: str, value: str) -> str:
        """A value as shown; of a class its name is enough."""
        return value.rpartition(".")[2] if column.endswith(CLASS) else value


def read_sweep(folder: Path) -> Sweep:
    """Read a sweep, or any folder whose folders are runs; what is missing or broken is no error.

    Raises `ConfigError` for a folder without any run.
    """
    if RunFolder(folder).config.is_file():
        raise ConfigError(f"runs={folder}: is itself a run folder; use run={folder}")
    if (folder / SWEEP_RECORD).is_file():
        record = _readable(folder / SWEEP_RECORD, _json)
        if record is None:
            raise ConfigError(
                f"runs={folder}: {SWEEP_RECORD} cannot be read; start the sweep again"
            )
        jobs = [_sweep_job(folder, entry) for entry in record["jobs"]]
        columns = _differing([job.given for job in jobs])
    else:
        record = {}
        jobs = _found_jobs(folder)
        columns = _without_implied([job.given for job in jobs])
    if not jobs:
        raise ConfigError(f"runs={folder}: no run folder in it; name a sweep below multirun/")
    given = jobs[0].given
    fixed = {key: given[key] for key in given if key not in columns} if record else {}
    return Sweep(folder, record, jobs, columns, fixed)


def _sweep_job(folder: Path, entry: dict[str, Any]) -> JobFacts:
    run = RunFolder(folder / str(entry["number"]))
    words = [word.lstrip("+").partition("=") for word in entry["overrides"]]
    given = {key: value for key, _, value in words}
    facts, leaves, faults = _read(run)
    return JobFacts(
        entry["number"],
        run,
        given,
        entry["status"],
        entry["exit_code"],
        entry["reason"],
        facts,
        leaves,
        faults,
    )


def _found_jobs(folder: Path) -> list[JobFacts]:
    """The runs of a folder without a sweep, numbered in the order of their names."""
    inside = [*folder.glob("*/"), *folder.glob("*/*/")] if folder.is_dir() else []
    runs = [RunFolder(path) for path in sorted(inside)]
    runs = [run for run in runs if run.config.is_file() or run.record.is_file()]
    jobs = []
    for number, run in enumerate(runs):
        facts, leaves, faults = _read(run)
        record = facts.record
        told = {key: record.get(key) for key in ("status", "exit_code", "reason")}
        given = {k: v for k, v in leaves.items() if not f"{k}.".startswith(NOT_COMPARED)}
        jobs.append(
            JobFacts(
                number,
                run,
                given,
                str(told["status"] or "unknown"),
                told["exit_code"],
                told["reason"],
                facts,
                leaves,
                faults,
            )
        )
    return jobs


def _read(run: RunFolder) -> tuple[Facts, dict[str, str], list[str]]:
    """Facts and configuration leaves of a run, and the files that cannot be read."""
    config = run.evaluation_config if run.evaluation_config.is_file() else run.config
    readers: dict[Path, Callable[[Path], Any]] = {
        run.record: _json,
        run.scores: _json,
        run.per_image: read_rows,
        run.log: read_log,
        run.config: _leaves,
        config: _leaves,
    }
    found = {path: _readable(path, reader) for path, reader in readers.items()}
    broken = [path.name for path in readers if found[path] is None and path.is_file()]
    facts = Facts(
        record=found[run.record] or {},
        config="",
        log=found[run.log] or [],
        scores=found[run.scores],
        rows=found[run.per_image] or [],
    )
    leaves = (found[run.config] or {}) | (found[config] or {})
    return facts, leaves, [f"{name} cannot be read" for name in broken]


def _readable(path: Path, reader: Callable[[Path], T]) -> T | None:
    """What stands in a file; None where it is missing or was left half written."""
    import yaml

    try:
        return reader(path) if path.is_file() else None
    except (OSError, ValueError, yaml.YAMLError):
        return None


def _json(path: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def _leaves(path: Path) -> dict[str, str]:
    import yaml

    values = yaml.safe_load(path.read_text())
    if not isinstance(values, dict):
        raise ValueError(f"{path}: no configuration")
    return _flat(values, "")


def _flat(values: dict[str, Any], prefix: str) -> dict[str, str]:
    """Leaves by dotted key, as a person would write them."""
    found: dict[str, str] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value if isinstance(value, str) else json.dumps(value)
    return found


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
