"""Door: write the report of a run or of a sweep again. `python -m sdexp.report run=outputs/...`."""

import sys
from pathlib import Path

from sdexp.ground.errors import ConfigError
from sdexp.launch.compose import compose, existing_run, only_shows, run_door


def main(argv: list[str] | None = None) -> int:
    """Write the report; returns the exit code."""
    return run_door(_report, argv)


def _report(argv: list[str]) -> int:
    if only_shows("report", argv):
        return 0
    config = compose("report", argv).config
    if config.run is None and config.runs is None:
        raise ConfigError(
            "run: a value is missing; name a run folder with run=outputs/... or a folder of runs "
            "with runs=multirun/..."
        )
    if config.run is not None and config.runs is not None:
        raise ConfigError(f"run={config.run} beside runs={config.runs}: name only one of them")
    page = _one(config.run) if config.runs is None else _many(Path(config.runs))
    print(f"report: {page}", flush=True)
    return 0


def _one(path: str) -> Path:
    run = existing_run(path)
    from sdexp.pages.run.page import write_report

    write_report(run)
    return run.report_html


def _many(folder: Path) -> Path:
    from sdexp.pages.sweep.page import write_sweep_report

    write_sweep_report(folder)
    return folder / "report.html"


if __name__ == "__main__":
    sys.exit(main())
