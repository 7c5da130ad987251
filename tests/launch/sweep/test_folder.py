from pathlib import Path

import pytest

from sdexp.ground.build import read_config
from sdexp.ground.errors import ConfigError
from sdexp.ground.record_files import read_record
from sdexp.ground.records import RunRecord, SweepJob, SweepRecord
from sdexp.ground.run import RunFolder
from sdexp.launch.sweep.folder import SweepFolder, numbered, sweep_folder
from sdexp.launch.sweep.grid import Grid, GridJob, composed_jobs
from tests.conftest import FAST


def jobs_of(*seeds: int, fixed: list[str] | None = None) -> list[GridJob]:
    return composed_jobs(Grid(fixed or FAST, [[f"training.seed={seed}" for seed in seeds]]))


def record_of(path: Path) -> SweepRecord:
    return read_record(path / "sweep.json", SweepRecord)


def finish(folder: SweepFolder, number: int) -> None:
    run = folder.job(number)
    run.change_record(status="finished", exit_code=0, command_seconds=5.0)
    run.weights.mkdir(exist_ok=True)


@pytest.fixture
def frozen(tmp_path: Path) -> SweepFolder:
    """Two jobs that wait."""
    folder = SweepFolder(tmp_path, jobs_of(1, 2), "the command")
    folder.freeze(jobs_of(1, 2), FAST)
    return folder


def test_a_sweep_without_a_name_gets_a_folder_of_its_own(empty_folder: Path) -> None:
    made = [sweep_folder(None) for _ in range(2)]
    assert made[0] != made[1] and all(path.parent == Path("multirun") for path in made)


def test_a_named_folder_is_new_empty_or_a_sweep(tmp_path: Path, frozen: SweepFolder) -> None:
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "new", tmp_path / "empty", frozen.path):
        assert sweep_folder(str(path)) == path
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.txt").touch()
    for path in (tmp_path / "other", tmp_path / "other" / "notes.txt"):
        with pytest.raises(ConfigError, match="holds files but no sweep"):
            sweep_folder(str(path))


def test_jobs_keep_their_numbers_and_new_ones_come_after(frozen: SweepFolder) -> None:
    added = numbered(frozen.path, jobs_of(3, 2, 1, 4))
    told = [(job.number, job.overrides[0]) for job in added]
    assert told == [(k, f"training.seed={seed}") for k, seed in enumerate((1, 2, 3, 4))]
    assert [job.number for job in numbered(frozen.path / "new", jobs_of(5, 6))] == [0, 1]
    with pytest.raises(ConfigError, match=r"a sweep of other jobs \(also training.seed=1\)"):
        numbered(frozen.path, jobs_of(2, 3))


def test_every_job_is_written_before_the_first_starts(frozen: SweepFolder) -> None:
    record = record_of(frozen.path)
    assert record.command == "the command" and record.status == "running"
    assert [job.status for job in record.jobs] == ["waiting"] * 2
    for number, seed in enumerate((1, 2)):
        run = frozen.job(number)
        config = read_config(run.config)
        assert config.training.seed == seed and config.run_dir == str(run.path)
        assert config.sweep.params == {} and run.read_record().status == "waiting"
        words = run.read_record().command.split()
        assert words[:3] == ["python", "-m", "sdexp.train"]
        assert words[-1] == f"training.seed={seed}"


def test_the_command_of_a_job_leaves_out_what_is_of_the_sweep(tmp_path: Path) -> None:
    fixed = [*FAST, "run_dir=x", "sweep.jobs=2"]
    SweepFolder(tmp_path, jobs_of(1), "x").freeze(jobs_of(1, fixed=FAST), fixed)
    command = RunFolder(tmp_path / "0").read_record().command
    assert "run_dir" not in command and "sweep" not in command and "debug=fast" in command


def test_trackers_see_one_group_of_named_jobs(tmp_path: Path) -> None:
    tracked = [word for word in FAST if word != "tracker=none"]
    tracked += ["tracker=wandb", "tracker.wandb.mode=offline"]
    jobs = jobs_of(1, fixed=tracked)
    SweepFolder(tmp_path, jobs, "x").freeze(jobs, tracked)
    tracker = read_config(tmp_path / "0" / "config.yaml").tracker.wandb
    assert tracker.group == tmp_path.name and tracker.name == "training.seed=1"


def test_a_finished_job_is_not_done_again(frozen: SweepFolder) -> None:
    finish(frozen, 0)
    again = SweepFolder(frozen.path, jobs_of(1, 2), "again")
    assert [job.number for job in again.freeze(jobs_of(1, 2), FAST)] == [1]
    entry = record_of(frozen.path).jobs[0]
    assert (entry.status, entry.exit_code, entry.seconds) == ("finished", 0, 5.0)


def test_another_run_in_the_way_is_refused_before_anything_is_written(
    frozen: SweepFolder,
) -> None:
    before = (frozen.path / "sweep.json").read_bytes()
    other = jobs_of(1, 2, fixed=[*FAST, "finetune.rank=3"])
    with pytest.raises(ConfigError, match="another configuration .finetune.rank"):
        SweepFolder(frozen.path, other, "x").freeze(other, FAST)
    assert (frozen.path / "sweep.json").read_bytes() == before


def test_states_are_written_as_they_come(frozen: SweepFolder) -> None:
    frozen.state(1, "failed", "no room")
    assert record_of(frozen.path).jobs[1].reason == "no room"
    frozen.note(0, RunRecord(status="finished", exit_code=0, command_seconds=2.0))
    assert record_of(frozen.path).jobs[0] == SweepJob(
        0, ["training.seed=1"], "finished", 0, None, 2.0
    )
    assert [job.number for job in frozen.unfinished()] == [1]


@pytest.mark.parametrize(
    "done, stopped, status",
    [((), True, "interrupted"), ((0,), False, "failed"), ((0, 1), False, "finished")],
)
def test_a_sweep_ends_as_its_jobs_did(
    frozen: SweepFolder, done: tuple[int, ...], stopped: bool, status: str
) -> None:
    for number in done:
        frozen.note(number, RunRecord(status="finished", exit_code=0))
    frozen.end(stopped)
    record = record_of(frozen.path)
    assert record.status == status and record.ended is not None
