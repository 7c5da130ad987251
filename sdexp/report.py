"""Door: write the report of a run or of a sweep again. `python -m sdexp.report run=outputs/...`."""

import sys
from datetime import datetime
from pathlib import Path

from sdexp.ground.errors import ConfigError, DataError
from sdexp.ground.files import make_folder, named_path
from sdexp.launch.arguments import Arguments
from sdexp.launch.compose import compose
from sdexp.launch.door import existing_run, run_door
from sdexp.launch.freeze import OUTPUTS


def main(argv: list[str] | None = None) -> int:
    """Write the report; returns the exit code."""
    return run_door("report", _report, argv)


def _report(arguments: Arguments) -> int:
    config = compose("report", arguments.overrides).config
    if config.run is None and config.runs is None:
        raise ConfigError(
            "run: a value is missing; name a run folder with run=outputs/... or a folder of runs "
            "with runs=multirun/..."
        )
    if config.run is not None and config.runs is not None:
        raise ConfigError(f"run={config.run} beside runs={config.runs}: name only one of them")
    if config.runs is None:
        _one(config.run)
    elif config.runs.startswith("["):
        _named(config.runs)
    else:
        _many(named_path("runs", config.runs))
    return 0


def _one(path: str) -> None:
    """Write a run's pages; raises `DataError`, after that, for what of it cannot be read."""
    run = existing_run(path)
    from sdexp.pages.run.page import write_report

    faults = write_report(run)
    for folder in sorted(run.evaluations.glob("*/evaluation.json")):
        faults += write_report(run, run.evaluation(folder.parent.name))
    print(f"report: {run.report_html}", flush=True)
    if faults:
        raise DataError("\n".join(dict.fromkeys(faults)))


def _many(folder: Path) -> None:
    """Write the page of several runs; one that cannot be read is told and leaves the others be."""
    from sdexp.pages.sweep.page import write_sweep_report

    _told(folder, write_sweep_report(folder))


def _named(value: str) -> None:
    """Write the page of runs that are named one by one into a folder of its own."""
    places = [named_path("runs", word.strip()) for word in value.strip("[]").split(",")]
    from sdexp.pages.sweep.facts import read_runs
    from sdexp.pages.sweep.page import write_pages

    now = datetime.now()
    folder = OUTPUTS / f"{now:%Y-%m-%d}" / f"{now:%H-%M-%S}_comparison"
    runs = read_runs(folder, places)
    make_folder(folder)
    _told(folder, write_pages(runs, f"runs={value}"))


def _told(folder: Path, faults: list[str]) -> None:
    for fault in faults:
        print(f"warning: {fault}", file=sys.stderr)
    print(f"report: {folder / 'report.html'}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
