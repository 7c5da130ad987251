"""Trackers in processes of their own, beside a run that knows nothing of them."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from sdexp import evaluate
from sdexp.ground.build import write_config
from sdexp.ground.record_files import write_record
from sdexp.ground.records import ToldRecord
from sdexp.ground.run import RunFolder
from sdexp.launch.compose import compose
from sdexp.launch.followers import END_SECONDS, end, following
from tests.commands import digest
from tests.conftest import FAST
from tests.records import logged
from tests.tracker.folders import log
from tests.tracker.offline import history, records
from tests.tracker.servers import BAD, bad_server
from tests.tracker.small_run import ROWS
from tests.tracker.test_tensorboard import scalars, shown

CHECKOUT = Path(__file__).parents[2]
OFFLINE = ("tracker=wandb", "tracker.wandb.mode=offline")


@pytest.fixture(autouse=True)
def at_home(nobody: None) -> None:
    """No test meets the account of the person who runs it."""


@pytest.fixture
def run(begun: RunFolder) -> RunFolder:
    return begun


@dataclass
class Outcome:
    run: RunFolder
    seconds: float
    to_the_end: float
    warnings: list[str]
    outside: list[Path]


def small_run(folder: Path, overrides: tuple[str, ...], kill: str = "", url: str = "") -> Outcome:
    """`small_run.py` in a process whose home, working and temporary folders are empty."""
    run, home = RunFolder(folder / "run"), folder / "home"
    run.path.mkdir(exist_ok=True)
    home.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
    environment |= {"HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": str(CHECKOUT)}
    if url:
        environment |= {"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": url}
    command = [sys.executable, "-m", "tests.tracker.small_run", str(run.path), kill, *overrides]
    done = subprocess.run(
        command, cwd=home, env=environment, capture_output=True, text=True, timeout=120
    )
    ended = time.monotonic()
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    return Outcome(
        run,
        facts["seconds"],
        ended - facts["last"],
        done.stderr.splitlines(),
        [path for path in home.rglob("*") if not path.is_dir()],
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    return small_run(tmp_path_factory.mktemp("none"), ("tracker=none",))


def check(outcome: Outcome) -> str:
    """Nothing is lost, slow or left behind; returns the only warning."""
    steps = [(record["name"], record["step"]) for record in logged(outcome.run.log)]
    assert steps == [(n, s) for s in range(1, ROWS + 1) for n in ("loss", "learning_rate")]
    assert outcome.to_the_end < 5
    assert outcome.outside == []
    (line,) = outcome.warnings
    return line


def losses(run: RunFolder) -> list[float]:
    """What all offline segments hold, one after the other."""
    rows = [r["history"]["item"] for r in records(run) if r["type"] == "history"]
    return [row["train/loss"] for row in rows]


def ship(run: RunFolder, name: str = "wandb") -> str:
    """A later command's follower; what it says."""
    command = [sys.executable, "-m", "sdexp.tracker.follow", str(run.path), name]
    return subprocess.run(command, capture_output=True, text=True, check=True).stderr


ALL = [1 / step for step in range(1, ROWS + 1)]


def test_without_a_tracker_there_is_only_the_log(undisturbed: Outcome) -> None:
    names = {path.name for path in undisturbed.run.path.iterdir()}
    assert names == {"config.yaml", "run.json", "log.jsonl"}
    assert undisturbed.warnings == [] and undisturbed.outside == []


@pytest.mark.parametrize("how", BAD)
def test_a_bad_server_costs_no_number(how: str, tmp_path: Path, undisturbed: Outcome) -> None:
    with bad_server(how) as url:
        outcome = small_run(tmp_path, ("tracker=wandb",), url=url)
    line = check(outcome)
    assert outcome.seconds < 1.05 * undisturbed.seconds + 3
    assert "wandb: offline (" in line and "`wandb sync " in line
    assert losses(outcome.run) == ALL


@pytest.mark.parametrize(
    "kill, words",
    [
        ("core:SIGKILL", "wandb: "),
        ("core:SIGSTOP", f"wandb: gave no answer for {END_SECONDS:g} s"),
        ("follower:SIGKILL", "wandb: was killed"),
        ("follower:SIGSTOP", f"wandb: gave no answer for {END_SECONDS:g} s"),
    ],
)
def test_what_is_killed_or_hangs_is_left_behind(kill: str, words: str, tmp_path: Path) -> None:
    """A later command ships what was missed, and nothing twice."""
    outcome = small_run(tmp_path, OFFLINE, kill)
    line = check(outcome)
    assert words in line and str(outcome.run.log) in line
    assert ship(outcome.run) == ""
    assert losses(outcome.run) == ALL
    segments = list(outcome.run.wandb.glob("offline-run-*"))
    assert ship(outcome.run) == ""
    assert list(outcome.run.wandb.glob("offline-run-*")) == segments


def test_one_tracker_does_not_hold_up_another(tmp_path: Path) -> None:
    outcome = small_run(tmp_path, ("tracker=[wandb,tensorboard]", OFFLINE[1]), "follower:SIGSTOP")
    assert "wandb: gave no answer" in check(outcome)
    found = scalars(shown(outcome.run), "train/loss")
    assert found == [(s, pytest.approx(1 / s)) for s in range(1, ROWS + 1)]


def followed(run: RunFolder, *names: str, seconds: float = 30.0) -> None:
    """A command that has ended, and waits long for its trackers."""
    with following(run, names) as followers:
        end(run, followers, 0, seconds)


def configure(run: RunFolder, *overrides: str) -> None:
    write_config(run.config, compose("train", [*overrides]).config)


@pytest.mark.parametrize("name", ["wandb", "tensorboard"])
def test_an_unwritable_folder_is_told_once(
    name: str, run: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    configure(run, f"tracker={name}")
    (run.path / name).write_text("")
    log(run, "train", 1, loss=1.0)
    followed(run, name)
    (line,) = capfd.readouterr().err.splitlines()
    assert f"warning: {name}: " in line and "cannot be written" in line and str(run.log) in line
    names = {path.name for path in run.path.iterdir()}
    assert names == {name, "config.yaml", "run.json", "log.jsonl"}
    assert list(Path.home().iterdir()) == []


@pytest.mark.parametrize("name, missing", [("wandb", "wandb"), ("tensorboard", "tensorboard")])
def test_a_library_that_cannot_be_imported_is_told_once(
    name: str, missing: str, run: RunFolder, tmp_path: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    configure(run, f"tracker={name}")
    (tmp_path / missing).mkdir()
    (tmp_path / missing / "__init__.py").write_text("raise ImportError('broken')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{CHECKOUT}")
    followed(run, name)
    (line,) = capfd.readouterr().err.splitlines()
    assert f"warning: {name}: cannot be imported (" in line


def test_a_table_that_wandb_refuses_is_told_in_one_line(
    run: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    node = {
        "_target_": "sdexp.tracker.wandb.Wandb", "project": "p", "entity": None, "group": None,
        "name": None, "tags": [], "mode": "offline",
    }  # fmt: skip
    write_record(run.told, ToldRecord({"wandb": node}, {}, "runs", ["a"], [[1], ["text"]]))
    followed(run, "wandb")
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith("warning: wandb: ") and str(run.path) in line


def test_a_mode_that_is_none_is_told_in_one_line(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    configure(run, "tracker=wandb")
    monkeypatch.setenv("WANDB_MODE", "sideways")
    followed(run, "wandb")
    (line,) = capfd.readouterr().err.splitlines()
    assert "warning: wandb: WANDB_MODE=sideways: allowed" in line


def test_a_tracker_that_is_switched_off_writes_nothing(
    run: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    configure(run, "tracker=wandb", "tracker.wandb.mode=disabled")
    log(run, "train", 1, loss=1.0)
    followed(run, "wandb")
    assert not run.wandb.exists() and capfd.readouterr().err == ""


def test_the_run_tells_its_folder_and_its_choices(run: RunFolder) -> None:
    log(run, "train", 1, loss=1.0)
    assert ship(run) == ""
    (opened,) = (r["run"] for r in records(run) if r["type"] == "run")
    config = opened["config"]["update"]
    assert config["run_dir"] == str(run.path)
    assert config["choices"]["finetune"] == "lora" and config["choices"]["tracker"] == "wandb"
    assert opened["display_name"] == "run"
    assert history(run)[1]["train/loss"] == 1.0


@pytest.mark.slow
def test_a_killed_follower_changes_no_byte_of_a_run(tiny: str, empty_folder: Path) -> None:
    """A later command ships what was missed, and nothing twice."""
    common = [*FAST, tiny, "optimizer.lr=0.01"]
    command = [sys.executable, "-m", "sdexp.train", *common]
    assert subprocess.run([*command, "run_dir=alone"]).returncode == 0
    alone, run = RunFolder(empty_folder / "alone"), RunFolder(empty_folder / "run")
    trackers = ["tracker=[wandb,tensorboard]", "tracker.wandb.mode=offline", "run_dir=run"]
    with subprocess.Popen([*command, *trackers], stderr=subprocess.PIPE, text=True) as door:
        for name in ("tensorboard", "wandb"):
            wait_for(run.path / name / "shipped.json")
        children = {p.cmdline()[-1]: p for p in psutil.Process(door.pid).children()}
        children["tensorboard"].suspend()
        children["wandb"].kill()
        while any("sdexp.worker" in p.cmdline() for p in alive(psutil.Process(door.pid))):
            time.sleep(0.02)
        # What became of the run is noted all the same.
        door.terminate()
        told = door.communicate()[1]
    assert door.returncode == 0 and run.read_record().status == "finished"
    assert "wandb: was killed" in told and "tensorboard: gave no answer" in told
    for part in ("weights", "images", "checkpoints"):
        assert digest(run.path / part) == digest(alone.path / part)
    assert run.scores.read_bytes() == alone.scores.read_bytes()
    # Of what each step took only that it was noted must agree.
    took = ("images_per_second", "peak_memory_gb")
    numbers = [
        [r | {"time": 0} | ({"value": 0} if r["name"] in took else {}) for r in logged(one.log)]
        for one in (run, alone)
    ]
    assert numbers[0] == numbers[1]
    assert evaluate.main([f"run={run.path}", "evaluation.num_prompts=3"]) == 0
    rows = [r["history"]["item"] for r in records(run) if r["type"] == "history"]
    own = [r["value"] for r in numbers[0] if (r["split"], r["name"]) == ("train", "loss")]
    assert [row["train/loss"] for row in rows if "train/loss" in row] == own and own
    for key in ("validation/pictures.captions", "evaluation/pairs.ncols"):
        assert sum(key in row for row in rows) == (2 if "pictures" in key else 1)
    assert [value for _, value in scalars(shown(run), "train/loss")] == pytest.approx(own)


def alive(door: psutil.Process) -> list[psutil.Process]:
    return [p for p in door.children() if p.status() != psutil.STATUS_ZOMBIE]


def wait_for(file: Path) -> None:
    deadline = time.monotonic() + 60
    while not file.exists():
        time.sleep(0.02)
        assert time.monotonic() < deadline


def test_a_follower_ends_with_its_command(run: RunFolder) -> None:
    with following(run, ["wandb"]) as followers:
        child = followers["wandb"]
        assert child.stdin is not None
        child.stdin.close()
        assert child.wait(30) == 130


def test_recipes_import_neither_torch_nor_pictures() -> None:
    code = (
        "import sys, sdexp.tracker.follow, sdexp.tracker.wandb, sdexp.tracker.tensorboard;"
        "print([name for name in ('torch', 'PIL', 'numpy', 'wandb') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
