"""Where the numbers of a sweep come from, and whether they may be held beside each other."""

import shlex
from dataclasses import asdict
from typing import Any

from sdexp.ground.nested import leaves
from sdexp.pages.sweep.facts import JobFacts, Sweep
from sdexp.pages.sweep.ranking import Group, listed

# What moves no score of the prompts that a ranking rests on.
HARMLESS = (
    "evaluation.enabled",
    "evaluation.batch_size",
    "evaluation.primary",
    "evaluation.num_general_prompts",
    "evaluation.general_prompts",
    "evaluation.num_train_prompts",
    "evaluation.num_train_pictures",
)


def warnings(sweep: Sweep, groups: list[Group]) -> list[str]:
    """Everything that a reader must know before comparing two rows."""
    lines = _other_settings(sweep) + _other_metrics(sweep) + _other_data(sweep)
    lines += _other_judges(sweep)
    lines += _other_weights(sweep) + _twice(groups) + _continued(sweep)
    told: dict[str, list[int]] = {}
    for job in sweep.jobs:
        for line in job.facts.warnings if job.scores else job.facts.faults:
            told.setdefault(line, []).append(job.number)
    scored = [job.number for job in sweep.jobs if job.scores]
    for line, numbers in told.items():
        lines.append(line if numbers == scored else f"{jobs_words(numbers)}: {line}")
    return lines


def jobs_words(numbers: list[int]) -> str:
    """`job 3` or `jobs 3, 4`."""
    return f"job{'s' if len(numbers) > 1 else ''} {listed(numbers)}"


def _is_swept(sweep: Sweep, group: str) -> bool:
    return any(column == group or column.startswith(f"{group}.") for column in sweep.columns)


def _other_settings(sweep: Sweep) -> list[str]:
    """Settings of the evaluation that differ between scored runs."""
    jobs = sweep.counted
    keys = sorted({key for job in jobs for key in job.leaves})
    lines = []
    for key in keys:
        values = {job.leaves[key] for job in jobs if key in job.leaves}
        about = key.startswith(("evaluation.", "metric.")) and key not in HARMLESS
        if about and len(values) > 1:
            swept = "is swept" if key in sweep.columns else "differs between the runs"
            lines.append(
                f"{key} {swept} ({', '.join(sorted(values))}): the scores were not measured in the "
                "same way"
            )
    samplings = [job.scores.sampling for job in jobs if job.scores]
    sizes = {sampling.size for sampling in samplings if sampling}
    if len(sizes) > 1:
        lines.append(f"the pictures have different sizes ({', '.join(sorted(sizes))} pixels)")
    primaries = sorted({job.scores.primary for job in jobs if job.scores})
    if len(primaries) > 1:
        lines.append(
            f"the runs declared different primary metrics ({', '.join(primaries)}); "
            f"{sweep.primary} ranks them here"
        )
    return lines


def _other_metrics(sweep: Sweep) -> list[str]:
    lines = []
    for name in sweep.metric_names:
        without = [job.number for job in sweep.counted if name not in job.metrics]
        if without:
            lines.append(f"{jobs_words(without)}: not scored by {name}")
    return lines


def _other_judges(sweep: Sweep) -> list[str]:
    """Metrics whose backbones carry one name and several weights."""
    lines = []
    for name in sweep.metric_names:
        judges = {
            (job.metrics[name].backbone, job.metrics[name].backbone_sha256)
            for job in sweep.counted
            if name in job.metrics
        }
        if len({backbone for backbone, _ in judges}) == 1 < len(judges):
            lines.append(f"{name} was scored by different weights of the same name")
    return lines


def _other_data(sweep: Sweep) -> list[str]:
    """Splits whose pictures or captions differ."""
    lines = []
    for split in ("train", "val", "test"):
        manifests = {manifest_of(job, split) for job in sweep.jobs} - {None}
        scored = any(job.leaves.get("evaluation.split") == split for job in sweep.counted)
        if len(manifests) < 2:
            continue
        if not _is_swept(sweep, "dataset"):
            lines.append(f"the {split} pictures or captions differ between the runs")
        elif scored:
            lines.append(f"dataset is swept: the runs are scored on different {split} pictures")
    return lines


def manifest_of(job: JobFacts, split: str) -> str | None:
    """What stands for the pictures and captions of a split."""
    data = job.facts.record.data
    return data[split].manifest if split in data else None


def _other_weights(sweep: Sweep) -> list[str]:
    if _is_swept(sweep, "model"):
        return []
    told = [job.facts.record.base_weights for job in sweep.jobs]
    found = [weights for weights in told if weights]
    names = sorted({name for weights in found for name in weights})
    differing = [n for n in names if len({weights.get(n) for weights in found}) > 1]
    if not differing:
        return []
    return [f"the original's weights differ between the runs ({', '.join(differing)})"]


def _twice(groups: list[Group]) -> list[str]:
    lines = []
    for group in groups:
        scored = [job.number for job in group.jobs if job.counts]
        if len(scored) > len(group.counted):
            lines.append(
                f"{jobs_words(scored)} have the same configuration and some the same seed; each "
                "seed counts once"
            )
    return lines


def _continued(sweep: Sweep) -> list[str]:
    numbers = [j.number for j in sweep.jobs if j.training and j.training.first_step > 1]
    if not numbers:
        return []
    return [f"{jobs_words(numbers)}: continued, so the training seconds are of the rest only"]


def steps_per_second(job: JobFacts) -> float | None:
    """Optimizer steps over seconds, of what the latest start of the run did."""
    training = job.training
    if training is None or training.seconds <= 0:
        return None
    return (training.steps - training.first_step + 1) / training.seconds


def unfinished(sweep: Sweep) -> list[dict[str, Any]]:
    """Jobs without a result, with the command that goes on with each alone."""
    return [
        {"job": job, "label": sweep.label(job, with_seed=True), "command": _goes_on(job)}
        for job in sweep.jobs
        if job.status != "finished"
    ]


def _goes_on(job: JobFacts) -> str:
    command = job.facts.record.command
    return _with_folder(command, str(job.run.path)) if command else ""


def whole_command(sweep: Sweep) -> str:
    """The command that goes on with every job that is left."""
    return _with_folder(sweep.record.command, str(sweep.folder)) if sweep.record else ""


def _with_folder(command: str, folder: str) -> str:
    words = [word for word in shlex.split(command) if not word.startswith("run_dir=")]
    return shlex.join([*words, f"run_dir={folder}"])


def provenance(sweep: Sweep) -> list[tuple[str, str]]:
    """Name and value; a value that is not the same throughout names its jobs."""
    told = asdict(sweep.record) if sweep.record else {}
    lines = [(k, str(told[k])) for k in ("command", "started", "ended", "status") if told.get(k)]
    lines += [(f"override {key}", value) for key, value in sweep.fixed.items()]
    origins = {job.number: _origin(job) for job in sweep.jobs}
    for key in sorted({key for origin in origins.values() for key in origin}):
        lines += _by_value(key, {number: one.get(key) for number, one in origins.items()})
    for split in ("train", "val", "test"):
        by_job = {job.number: manifest_of(job, split) for job in sweep.jobs}
        lines += _by_value(f"data {split}", by_job)
    return lines


def _origin(job: JobFacts) -> dict[str, Any]:
    """Where a run's numbers come from, by name."""
    record = asdict(job.facts.record)
    told = {key: record[key] for key in ("git", "versions", "base_weights", "device")}
    return {key.replace(".", " "): value for key, value in leaves(told) if value not in (None, {})}


def _by_value(name: str, by_job: dict[int, Any]) -> list[tuple[str, str]]:
    """One line, or one for each value with its jobs."""
    found: dict[str, list[int]] = {}
    for number, value in by_job.items():
        if value is not None:
            found.setdefault(str(value), []).append(number)
    if len(found) < 2:
        return [(name, value) for value in found]
    return [(f"{name} ({jobs_words(numbers)})", value) for value, numbers in found.items()]
