import subprocess
from pathlib import Path
from typing import Any

import pytest

from sdexp.ground.build import read_config
from sdexp.ground.errors import ConfigError
from sdexp.ground.pending import record_at_work
from sdexp.ground.run import RunFolder
from sdexp.launch.compose import Composed, compose
from sdexp.launch.freeze import changes, check_resumable, freeze, is_complete, run_folder
from tests.conftest import FAST

CHECKOUT = Path(__file__).parents[2]


def composed(*overrides: str) -> Composed:
    return compose("train", [*FAST, *overrides])


@pytest.fixture
def frozen(tmp_path: Path) -> RunFolder:
    """A run of four steps that has not begun."""
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    freeze(run, composed(), "python -m sdexp.train", "running", ["take care"])
    return run


def finish(run: RunFolder) -> None:
    run.change_record(status="finished", stage="evaluate", exit_code=0)
    run.weights.mkdir()


def test_a_run_without_a_name_gets_a_folder_of_its_own(empty_folder: Path) -> None:
    made = [run_folder(composed("finetune=unet")) for _ in range(2)]
    assert all(is_new and run.path.is_dir() for run, is_new in made)
    names = [run.path.relative_to("outputs").parts for run, _ in made]
    assert all(len(name) == 2 and "unet-pocket" in name[1] for name in names)
    assert names[0] != names[1]


def test_a_named_folder_is_made_or_goes_on(frozen: RunFolder, tmp_path: Path) -> None:
    new = tmp_path / "a" / "b"
    run, is_new = run_folder(composed(f"run_dir={new}"))
    assert is_new and run.path == new and new.is_dir()
    assert run_folder(composed(f"run_dir={new}"))[1]
    run, is_new = run_folder(composed(f"run_dir={frozen.path}"))
    assert not is_new and run == frozen


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    for path in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(ConfigError, match="holds files but no run"):
            run_folder(composed(f"run_dir={path}"))


def test_a_folder_of_a_sweep_says_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").touch()
    with pytest.raises(ConfigError, match="holds a sweep; add -m and its values to go on"):
        run_folder(compose("train", [f"run_dir={tmp_path}"]))


def test_the_record_tells_where_a_run_comes_from(frozen: RunFolder) -> None:
    record = frozen.read_record()
    assert record.command == "python -m sdexp.train" and record.status == "running"
    assert record.choices["finetune"] == "lora" and record.choices["dataset"] == "pocket"
    assert record.warnings == ["take care"] and record.grown_from == []
    command = ["git", "-C", str(CHECKOUT), "rev-parse", "HEAD"]
    answer = subprocess.run(command, capture_output=True, text=True)
    assert record.git.commit == (answer.stdout.strip() or None)
    assert read_config(frozen.config) == composed().config


def test_a_run_that_goes_on_changes_only_once_it_is_checked(frozen: RunFolder) -> None:
    before = frozen.record.read_bytes(), frozen.config.read_bytes()
    frozen.change_record(exit_code=74, reason="full")
    freeze(frozen, composed("training.checkpointing_steps=3"), "again", "running", [])
    assert frozen.config.read_bytes() == before[1] and frozen.read_record().reason == "full"
    record = record_at_work(frozen)
    assert (record.command, record.exit_code, record.reason) == ("again", None, None)
    assert read_config(frozen.pending_config).training.checkpointing_steps == 3


def test_a_longer_run_remembers_how_long_it_was_to_be(frozen: RunFolder) -> None:
    finish(frozen)
    for steps, lengths in ((9, [4]), (20, [4, 9]), (20, [4, 9])):
        freeze(frozen, composed(f"training.max_train_steps={steps}"), "x", "running", [])
        record = record_at_work(frozen)
        assert record.grown_from == lengths
        frozen.pending_config.replace(frozen.config)
        frozen.pending_record.replace(frozen.record)


def test_growing_goes_back_to_the_training_and_nothing_else_does(frozen: RunFolder) -> None:
    finish(frozen)
    freeze(frozen, composed(), "x", "running", [])
    assert record_at_work(frozen).stage == "evaluate"
    freeze(frozen, composed("training.max_train_steps=9"), "x", "running", [])
    assert record_at_work(frozen).stage == "train"


@pytest.mark.parametrize(
    "overrides, words",
    [
        (("resume=never",), "resume=never"),
        (("training.seed=7",), r"another configuration \(training.seed: 0 -> 7\)"),
        (("training.max_train_steps=3",), r"\(training.max_train_steps: 4 -> 3\)"),
        (("training.max_train_steps=9", "training.seed=7"), "another configuration"),
    ],
)
def test_another_run_is_refused(frozen: RunFolder, overrides: tuple[str, ...], words: str) -> None:
    check_resumable(frozen, composed().config)
    with pytest.raises(ConfigError, match=words):
        check_resumable(frozen, composed(*overrides).config)


@pytest.mark.parametrize("schedule, ends", [("cosine", True), ("constant", False)])
def test_a_finished_run_may_only_grow(tmp_path: Path, schedule: str, ends: bool) -> None:
    run, made = RunFolder(tmp_path), composed(f"scheduler={schedule}")
    freeze(run, made, "x", "running", [])
    assert not is_complete(run)
    finish(run)
    assert is_complete(run)
    with pytest.raises(ConfigError, match="max_train_steps=a number above 4") as caught:
        check_resumable(run, made.config)
    assert ("another rate at every step" in str(caught.value)) == ends
    check_resumable(run, composed(f"scheduler={schedule}", "training.max_train_steps=5").config)
    run.weights.rmdir()
    check_resumable(run, made.config)


def test_what_changes_is_told_by_key(frozen: RunFolder) -> None:
    def between(*overrides: str) -> Any:
        return changes(frozen, composed(*overrides).config)

    assert between("run_dir=elsewhere", "training.checkpointing_steps=3") == {}
    assert between("training.seed=3") == {"training.seed": (0, 3)}


def test_a_run_by_epochs_grows_by_epochs(tmp_path: Path) -> None:
    run, made = RunFolder(tmp_path), composed("training.num_train_epochs=2")
    freeze(run, made, "x", "running", [])
    finish(run)
    with pytest.raises(ConfigError, match="extend it with training.num_train_epochs=a number abo"):
        check_resumable(run, made.config)
    for fewer_or_other in ("training.num_train_epochs=1", "training.max_train_steps=99"):
        with pytest.raises(ConfigError, match="another configuration"):
            check_resumable(run, composed(fewer_or_other).config)
    longer = composed("training.num_train_epochs=3")
    check_resumable(run, longer.config)
    freeze(run, longer, "x", "running", [])
    record = record_at_work(run)
    assert record.stage == "train" and len(record.grown_from) == 1
