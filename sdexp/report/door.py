"""Door: write the report of a run again. `python -m sdexp.report run=outputs/...`."""

from omegaconf import OmegaConf

from sdexp.doors import compose, existing_run, only_shows, run_door
from sdexp.ground.types import ConfigError


def main(argv: list[str] | None = None) -> int:
    """Write the report; returns the exit code."""
    return run_door(_report, argv)


def _report(argv: list[str]) -> int:
    if only_shows("report", argv):
        return 0
    config = compose("report", argv).config
    if OmegaConf.is_missing(config, "run"):
        raise ConfigError("run: a value is missing; name a run folder with run=outputs/...")
    run = existing_run(config.run)
    from sdexp.report.page import write_report

    write_report(run)
    print(f"report: {run.report_html}", flush=True)
    return 0
