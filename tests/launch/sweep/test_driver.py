"""Sweeps as a person starts them: checked first, each job alone, continued by the same line."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sdexp import train
from sdexp.ground.build import read_config, write_config
from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.records import RunRecord, SweepJob, SweepRecord
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store, default_root
from sdexp.launch.sweep import driver
from tests import forks
from tests.commands import digest, fault
from tests.conftest import FAST
from tests.tracker.offline import records, staged_files

SMALL = [*FAST, "evaluation=none", "training.validation_images_steps=null"]


@pytest.fixture(autouse=True)
def at_home(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command starts in an empty folder; the checkout's tests can be imported."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))


def jobs_of(folder: Path) -> list[SweepJob]:
    return read_record(folder / "sweep.json", SweepRecord).jobs


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["training.seed=1,-2"], "job 1 (training.seed=-2): training.seed=-2"),
        (["finetune=unet,loar"], "job 1 (finetune=loar): finetune=loar: no such option"),
        (["run_dir=a,b"], "run_dir: is the same for all jobs"),
        (["sweep.jobs=1,2"], "sweep.jobs: is the same for all jobs"),
        (["training.seed=interval(0,1)"], "an interval has no end of values"),
        (["training.seed=1,2,1"], "training.seed=1 stands there twice"),
        (["training.seed=0,1", "sweep.jobs=0"], "sweep.jobs=0: allowed is 1 or more"),
        (["training.seed=0,1", "sweep.job_timeout=0"], "sweep.job_timeout=0.0"),
    ],
)
def test_a_fault_in_any_job_starts_none(
    overrides: list[str], words: str, capfd: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    assert words in fault(capfd, 2, "-m", *FAST, *overrides)
    assert not list(empty_folder.iterdir())


def test_values_without_m_say_what_to_do(capfd: pytest.CaptureFixture[str]) -> None:
    assert "-m" in fault(capfd, 2, *FAST, "training.seed=0,1")


def test_missing_files_are_told_once_for_all_jobs(
    capfd: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    words = ["training.seed=1,2,3", "dataset=flickr30k", "model=pocket"]
    line = fault(capfd, 65, "-m", "debug=fast", *words)
    assert "dataset.data_dir" in line and not list(empty_folder.iterdir())


def test_a_sweep_of_other_jobs_is_not_mixed_in(
    capfd: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    folder = empty_folder / "old"
    folder.mkdir()
    jobs = [SweepJob(0, ["training.seed=1"]), SweepJob(1, ["training.seed=3"])]
    write_record(folder / "sweep.json", SweepRecord("x", "failed", "2026", jobs))
    line = fault(capfd, 2, "-m", *FAST, "training.seed=1,2", "run_dir=old")
    assert "holds a sweep of other jobs (also training.seed=3)" in line
    (folder / "sweep.json").rename(folder / "notes.txt")
    line = fault(capfd, 2, "-m", *FAST, "training.seed=1,2", "run_dir=old")
    assert "holds files but no sweep" in line


@pytest.mark.slow
def test_bad_jobs_harm_no_good_one_and_alone_run_again(
    tiny: str, empty_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six good jobs beside an exception, sys.exit(0), abort, SIGKILL and a deaf loop."""
    # The deaf one first: the others go on beside it.
    seeds = [105, 0, 101, 1, 102, 2, 103, 3, 104, 4, 5]
    command = [
        "-m", *SMALL, tiny, f"training.seed={','.join(map(str, seeds))}", "run_dir=sweep",
        "sweep.jobs=2", "sweep.job_timeout=40",
    ]  # fmt: skip
    monkeypatch.setattr(driver, "JOB", "tests.faulty_job")
    assert train.main(command) == 1
    folder = empty_folder / "sweep"
    jobs = dict(zip(seeds, jobs_of(folder), strict=True))
    assert {s for s, job in jobs.items() if job.status == "finished"} == set(range(6))
    reasons = {seed: str(jobs[seed].reason) for seed in seeds if seed > 100}
    assert "ZeroDivisionError" in (folder / "2" / "stacks" / "rank0.txt").read_text()
    assert "abort" in (folder / "6" / "stacks" / "rank0.txt").read_text().lower()
    assert "code 0" in reasons[102] and "code -6" in reasons[103] and "code -9" in reasons[104]
    assert "sweep.job_timeout=40" in reasons[105]
    assert all(jobs[seed].exit_code == 70 for seed in reasons)
    assert all(reason in (folder / "report.html").read_text() for reason in reasons.values())

    records = {n: RunFolder(folder / str(n)).read_record() for n in range(11)}
    monkeypatch.setattr(driver, "JOB", "sdexp.launch.job")
    assert train.main(command) == 0
    for number, seed in enumerate(seeds):
        run = RunFolder(folder / str(number))
        same = run.read_record().started == records[number].started
        assert same == (seed < 100), "only the bad ones run again"
        assert digest(run.weights) == digest(solo(run, tmp_path).weights), seed


def solo(run: RunFolder, folder: Path) -> RunFolder:
    """The same configuration trained alone."""
    alone = RunFolder(folder / f"solo-{run.path.name}")
    alone.path.mkdir()
    write_config(alone.config, read_config(run.config))
    alone.write_record(RunRecord())
    child = forks.start(forks.train, alone.path, folder / "store")
    child.join()
    assert child.exitcode == 0
    return alone


@pytest.mark.slow
def test_a_killed_driver_leaves_nothing_running_and_goes_on(
    tiny: str, empty_folder: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "sdexp.train", "-m", *SMALL, tiny, "training.seed=1,2"]
    command += [
        "run_dir=sweep",
        "sweep.jobs=2",
        "training.max_train_steps=60",
        "training.checkpointing_steps=5",
    ]
    folder = empty_folder / "sweep"
    with subprocess.Popen(command) as driver:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not list(folder.glob("0/checkpoints/0*")):
            time.sleep(0.02)
        os.kill(driver.pid, signal.SIGKILL)
    assert list(folder.glob("0/checkpoints/0*")) and not (folder / "0" / "weights").exists()
    assert subprocess.run(command).returncode == 0
    assert [job.status for job in jobs_of(folder)] == ["finished"] * 2
    assert "resuming after step" in (folder / "0" / "output.log").read_text()
    for number in (0, 1):
        run = RunFolder(folder / str(number))
        assert digest(run.weights) == digest(solo(run, tmp_path).weights)


@pytest.mark.slow
def test_two_signals_leave_an_interrupted_job_behind(tiny: str, empty_folder: Path) -> None:
    """The second comes before the job has ended well by itself."""
    command = [sys.executable, "-m", "sdexp.train", "-m", *SMALL, tiny, "training.seed=1,2"]
    command += ["training.max_train_steps=3000"]
    folder = empty_folder / "sweep"
    with subprocess.Popen([*command, "run_dir=sweep"]) as door:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not (folder / "0" / "log.jsonl").is_file():
            time.sleep(0.02)
        os.kill(door.pid, signal.SIGINT)
        os.kill(door.pid, signal.SIGTERM)
        assert door.wait() == 130
    first, second = jobs_of(folder)
    assert (first.status, first.exit_code) == ("interrupted", 130)
    assert second.status == "waiting"
    record = RunFolder(folder / "0").read_record()
    assert (record.status, record.exit_code) == ("interrupted", 130)


@pytest.mark.slow
def test_a_sweep_makes_the_originals_pictures_and_moments_once(
    tiny: str, empty_folder: Path
) -> None:
    """Also with two jobs at once; a sweep file names the jobs."""
    command = [
        "-m", *FAST, tiny, "training.seed=1,2", "run_dir=sweep", "sweep.jobs=2", "metric=[kid]",
        "evaluation.primary=kid", "optimizer.lr=0.01", "tracker=wandb",
        "tracker.wandb.mode=offline",
    ]  # fmt: skip
    assert train.main(command) == 0
    store = Store(default_root())
    folder = empty_folder / "sweep"
    # Of its own prompts, and of training captions.
    assert len(list((store.root / "pictures").rglob("*.bin"))) == 2
    originals = [digest(RunFolder(folder / n).images("original")) for n in ("0", "1")]
    assert originals[0] == originals[1]
    assert "report.html" in {path.name for path in folder.iterdir()}
    rows = (folder / "runs.csv").read_text().splitlines()
    assert len(rows) == 3 and "training.seed" in rows[0] and "kid/finetuned" in rows[0]
    assert train.main([*command, "training.max_train_steps=3"]) == 2
    names = {"0": "training.seed=1", "1": "training.seed=2", ".": "sweep"}
    for place, name in names.items():
        (told,) = [r["run"] for r in records(RunFolder(folder / place)) if r["type"] == "run"]
        assert (told["run_group"], told["display_name"]) == ("sweep", name)
        assert told["job_type"] == ("sweep" if place == "." else "train")
    assert "runs.table.json" in staged_files(RunFolder(folder))
