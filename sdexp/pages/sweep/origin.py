"""Where the numbers of a sweep come from, and whether they may be held beside each other."""

from typing import Any

from sdexp.pages.sweep.facts import JobFacts, Sweep
from sdexp.pages.sweep.ranking import Group, listed

# How many resamples there are moves no score.
HARMLESS = ("evaluation.enabled", "evaluation.batch_size", "evaluation.primary")


def warnings(sweep: Sweep, groups: list[Group]) -> list[str]:
    """Everything that a reader must know before comparing two rows."""
    lines = _other_settings(sweep) + _other_metrics(sweep) + _other_data(sweep)
    lines += _other_weights(sweep) + _twice(groups) + _continued(sweep)
    told: dict[str, list[int]] = {}
    for job in sweep.jobs:
        own = job.facts.warnings if job.scores and "chosen_later" in job.facts.record else []
        for line in [*job.faults, *own]:
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
    sizes = {job.scores["sampling"]["resolution"] for job in jobs if job.scores}
    if len(sizes) > 1:
        lines.append(f"the pictures have different sizes ({listed(sorted(sizes))} pixels)")
    primaries = sorted({job.scores["primary"] for job in jobs if job.scores})
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


def _other_data(sweep: Sweep) -> list[str]:
    """Splits whose pictures or captions differ."""
    lines = []
    for split in ("train", "val", "test"):
        manifests = {_manifest(job, split) for job in sweep.jobs} - {None}
        scored = any(job.leaves.get("evaluation.split") == split for job in sweep.counted)
        if len(manifests) < 2:
            continue
        if not _is_swept(sweep, "dataset"):
            lines.append(f"the {split} pictures or captions differ between the runs")
        elif scored:
            lines.append(f"dataset is swept: the runs are scored on different {split} pictures")
    return lines


def _manifest(job: JobFacts, split: str) -> str | None:
    data = job.facts.record["data"] if "data" in job.facts.record else {}
    return data[split]["manifest"] if split in data else None


def _other_weights(sweep: Sweep) -> list[str]:
    if _is_swept(sweep, "model"):
        return []
    found = [j.facts.record["base_weights"] for j in sweep.jobs if "base_weights" in j.facts.record]
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
    numbers = [j.number for j in sweep.jobs if j.training and j.training["first_step"] > 1]
    if not numbers:
        return []
    return [f"{jobs_words(numbers)}: continued, so the training seconds are of the rest only"]


def steps_per_second(job: JobFacts) -> float | None:
    """Optimizer steps over seconds, of what the latest start of the run did."""
    facts = job.training
    if not facts or facts["seconds"] <= 0:
        return None
    return float((facts["steps"] - facts["first_step"] + 1) / facts["seconds"])


def unfinished(sweep: Sweep) -> list[dict[str, Any]]:
    """Jobs without a result, with the command that goes on with each alone."""
    return [
        {"job": job, "label": sweep.label(job, with_seed=True), "command": _goes_on(job)}
        for job in sweep.jobs
        if job.status != "finished"
    ]


def _goes_on(job: JobFacts) -> str:
    record = job.facts.record
    command = str(record["command"]) if "command" in record else ""
    return _with_folder(command, str(job.run.path)) if command else ""


def whole_command(sweep: Sweep) -> str:
    """The command that goes on with every job that is left."""
    if "command" not in sweep.record:
        return ""
    return _with_folder(str(sweep.record["command"]), str(sweep.folder))


def _with_folder(command: str, folder: str) -> str:
    words = [word for word in command.split(" ") if not word.startswith("run_dir=")]
    return " ".join([*words, f"run_dir={folder}"])


def provenance(sweep: Sweep) -> list[tuple[str, str]]:
    """Name and value; a value that is not the same throughout names its jobs."""
    keys = ("command", "started", "ended", "status")
    lines = [(k, str(sweep.record[k])) for k in keys if sweep.record.get(k)]
    lines += [(f"override {key}", value) for key, value in sweep.fixed.items()]
    records = {job.number: job.facts.record for job in sweep.jobs if job.facts.record}
    for key in ("git", "versions", "base_weights", "device"):
        inner = sorted({n for r in records.values() for n in _inside(r, key)})
        for name in inner:
            values = {number: _inside(r, key).get(name) for number, r in records.items()}
            lines += _by_value(f"{key} {name}".strip(), values)
    for split in ("train", "val", "test"):
        by_job = {job.number: _manifest(job, split) for job in sweep.jobs}
        lines += _by_value(f"data {split}", by_job)
    return lines


def _inside(record: dict[str, Any], key: str) -> dict[str, Any]:
    value = record[key] if key in record else None
    return value if isinstance(value, dict) else {} if value is None else {"": value}


def _by_value(name: str, by_job: dict[int, Any]) -> list[tuple[str, str]]:
    """One line, or one for each value with its jobs."""
    found: dict[str, list[int]] = {}
    for number, value in by_job.items():
        if value is not None:
            found.setdefault(str(value), []).append(number)
    if len(found) < 2:
        return [(name, value) for value in found]
    return [(f"{name} ({jobs_words(numbers)})", value) for value, numbers in found.items()]
