"""Many runs: all composed and checked first, each a child of its own, none harmed by another."""

import shlex
from typing import Any

from sdexp.ground.build import plain, typed
from sdexp.ground.config import SweepConfig
from sdexp.ground.files import make_folder
from sdexp.ground.interrupt import counting
from sdexp.ground.nested import leaves
from sdexp.ground.record_files import write_record
from sdexp.ground.records import ToldRecord
from sdexp.ground.run import RunFolder
from sdexp.launch.arguments import Arguments
from sdexp.launch.door import tell_warnings
from sdexp.launch.dry_run import dry_run, say_total, wants_dry_run
from sdexp.launch.followers import end, following
from sdexp.launch.machine import check_machine
from sdexp.launch.sweep.driver import Driver
from sdexp.launch.sweep.folder import SweepFolder, numbered, sweep_folder
from sdexp.launch.sweep.grid import GridJob, composed_jobs, read_grid
from sdexp.launch.sweep.slots import may_fork, slots_of

# They begin only when all jobs have ended.
TRACKERS_SECONDS = 10.0


def sweep(arguments: Arguments) -> int:
    """Carry out every job of a command line; 0 when all of them finished."""
    grid = read_grid(arguments.overrides)
    jobs = composed_jobs(grid)
    config = jobs[0].composed.config
    for job in jobs:
        check_machine(job.recipes.hardware)
    tell_warnings(dict.fromkeys(line for job in jobs for line in job.recipes.warnings()))
    if wants_dry_run(config):
        return _dry_runs(jobs)
    settings = typed("sweep", SweepConfig, config.sweep)
    slots = slots_of(settings.jobs, [job.recipes.hardware for job in jobs])
    path = sweep_folder(config.run_dir)
    jobs = numbered(path, jobs)
    make_folder(path)
    command = shlex.join(["python", "-m", "sdexp.train", *arguments.words])
    with RunFolder(path).lock():
        print(f"sweep folder: {path} ({len(jobs)} jobs)", flush=True)
        folder = SweepFolder(path, jobs, command)
        waiting = folder.freeze(jobs, grid.fixed)
        with counting() as received:
            is_warm = len(waiting) > 1 and may_fork(slots)
            Driver(folder, waiting, slots, settings.job_timeout, is_warm).run(received)
        return _close(folder, jobs, received.first)


def _dry_runs(jobs: list[GridJob]) -> int:
    codes = []
    plans = []
    for job in jobs:
        print(f"job {job.number}: {' '.join(job.overrides)}", flush=True)
        code, plan = dry_run(job.composed.config)
        codes.append(code)
        plans += [plan] if plan else []
    say_total(plans)
    return max(codes)


def _close(folder: SweepFolder, jobs: list[GridJob], stopped_by: int | None) -> int:
    """Write the page; the exit code of the sweep."""
    folder.end(stopped=stopped_by is not None)
    if stopped_by is not None:
        print(f"stopped; the same command with run_dir={folder.path} goes on", flush=True)
        return 128 + stopped_by
    _tell(folder, jobs)
    print(f"report: {folder.path / 'report.html'}", flush=True)
    bad = folder.unfinished()
    for job in bad:
        print(f"job {job.number} failed: {job.reason}", flush=True)
    return 1 if bad else 0


def _tell(folder: SweepFolder, jobs: list[GridJob]) -> None:
    """The page, and a run of the trackers that holds its table."""
    from sdexp.pages.sweep.facts import read_sweep
    from sdexp.pages.sweep.page import write_sweep_report
    from sdexp.pages.sweep.table import runs_table

    write_sweep_report(folder.path)
    run = RunFolder(folder.path)
    trackers = _trackers(plain(jobs[0].composed.config)["tracker"], folder.path.name)
    if not trackers:
        return
    config = _common([plain(job.composed.config) for job in jobs])
    write_record(
        run.told, ToldRecord(trackers, config, "runs", *runs_table(read_sweep(folder.path)))
    )
    with following(run, trackers) as followers:
        end(run, followers, 0, TRACKERS_SECONDS)


def _trackers(nodes: dict[str, Any], name: str) -> dict[str, Any]:
    """Trackers of the jobs as those of the whole sweep."""
    own = {"group": name, "name": name}
    return {k: node | {key: own[key] for key in own if key in node} for k, node in nodes.items()}


def _common(configs: list[dict[str, Any]]) -> dict[str, Any]:
    """What all jobs share, by dotted key, and the values of what they do not."""
    flat = [dict(leaves(config)) for config in configs]
    keys = {key: None for one in flat for key in one}
    values = {key: [one[key] for one in flat if key in one] for key in keys}
    same = {k: v[0] for k, v in values.items() if len(v) == len(flat) and v.count(v[0]) == len(v)}
    return same | {"swept": {key: values[key] for key in keys if key not in same}}
