"""Sweeps whose jobs are real children with a worker that ends as it is told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from sdexp.ground.record_files import read_record
from sdexp.ground.records import SweepRecord
from sdexp.launch.arguments import read_arguments
from sdexp.launch.sweep import driver
from sdexp.launch.sweep.sweep import sweep
from tests.conftest import FAST

WORDS = ["-m", *FAST, "evaluation=none", "run_dir=swept", "training.seed=1,2"]


@pytest.fixture
def told_jobs(
    told_worker: Callable[[str], Path], empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Path]:
    """Have jobs end as they are told; gives the sweep's folder."""

    def tell(how: str) -> Path:
        told_worker(how)
        monkeypatch.setattr(driver, "JOB", "tests.told_job")
        return empty_folder / "swept"

    return tell


def record_of(folder: Path) -> SweepRecord:
    return read_record(folder / "sweep.json", SweepRecord)


def test_all_jobs_finish_and_stand_on_one_page(
    told_jobs: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    folder = told_jobs("0")
    assert sweep(read_arguments(WORDS)) == 0
    record = record_of(folder)
    assert record.status == "finished"
    assert [(job.overrides, job.status) for job in record.jobs] == [
        (["training.seed=1"], "finished"),
        (["training.seed=2"], "finished"),
    ]
    assert {"report.html", "report.md", "runs.csv"} <= {path.name for path in folder.iterdir()}
    told = capfd.readouterr().out
    assert "sweep folder: swept (2 jobs)" in told and "report: swept/report.html" in told


def test_failed_jobs_are_named_with_their_reason(
    told_jobs: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    folder = told_jobs("76:loss nan")
    assert sweep(read_arguments(WORDS)) == 1
    record = record_of(folder)
    assert record.status == "failed"
    assert [(job.exit_code, job.reason) for job in record.jobs] == [(76, "loss nan")] * 2
    told = capfd.readouterr().out
    assert "job 0 failed: loss nan" in told and "job 1 failed: loss nan" in told
    assert "loss nan" in (folder / "report.html").read_text()


def test_a_dry_run_of_a_sweep_plans_every_job_and_leaves_nothing(
    told_jobs: Callable[[str], Path], capfd: pytest.CaptureFixture[str]
) -> None:
    folder = told_jobs("65:no data")
    assert sweep(read_arguments([*WORDS, "dry_run=true"])) == 65
    told = capfd.readouterr().out
    assert "job 0: training.seed=1" in told and "job 1: training.seed=2" in told
    assert "all 0 jobs: 0 steps" in told and not folder.exists()
