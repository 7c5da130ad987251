"""`runs.csv`: a sweep as one row for each job."""

from dataclasses import asdict

from sdexp.ground.csv_texts import csv_text
from sdexp.pages.sweep.facts import JobFacts, Sweep

SCORES = ("original", "finetuned", "difference", "ci95_low", "ci95_high", "p", "verdict")
TRAINING = ("steps", "images_per_second", "peak_memory_gb", "trainable_parameters")
# What a spreadsheet takes as the beginning of a formula.
ACTING = ("=", "+", "-", "@", "\t", "\r", "\n")


def runs_csv(sweep: Sweep) -> str:
    """The whole file."""
    columns, rows = runs_table(sweep)
    return csv_text([inert(name) for name in columns], [[*map(inert, row)] for row in rows])


def runs_table(sweep: Sweep) -> tuple[list[str], list[list[object]]]:
    """Columns and rows."""
    metrics = [f"{name}/{key}" for name in sweep.metric_names for key in SCORES]
    before = ["number", "status", "exit_code", "reason", *sweep.columns, *sweep.implied]
    after = ["drift", "training_seconds", *TRAINING, "run_folder"]
    return [*before, *metrics, *after], [_row(sweep, job) for job in sweep.jobs]


def inert(value: object) -> object:
    """A text that a spreadsheet shows and does not carry out; numbers stay numbers."""
    if not isinstance(value, str) or not value.startswith(ACTING):
        return value
    try:
        float(value)
    except ValueError:
        return f"'{value}"
    return value


def _row(sweep: Sweep, job: JobFacts) -> list[object]:
    training = job.training
    scores = [value for name in sweep.metric_names for value in _scores(job, name)]
    cost = [getattr(training, key) if training else None for key in ("seconds", *TRAINING)]
    state = [job.number, job.status, job.exit_code, job.reason]
    return [*state, *sweep.shown(job), *scores, job.drift, *cost, str(job.run.path)]


def _scores(job: JobFacts, name: str) -> list[object]:
    if name not in job.metrics:
        return [None] * len(SCORES)
    metric = job.metrics[name]
    low, high = metric.ci95 or (None, None)
    flat = asdict(metric) | {"ci95_low": low, "ci95_high": high}
    return [flat[key] for key in SCORES]
