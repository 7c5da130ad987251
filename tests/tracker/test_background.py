import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdexp.ground.build import Config
from sdexp.ground.run import RunFolder
from sdexp.recipes import build_recipes
from sdexp.tracker.background import WAITING_BYTES, Trackers
from sdexp.tracker.base import AbstractTracker, ActiveTracker, TrackerFault
from sdexp.tracker.none import Silence
from tests.records import logged
from tests.tracker.offline import history
from tests.tracker.servers import BAD, bad_server
from tests.tracker.small_run import ROWS

CHECKOUT = Path(__file__).parents[2]
OFFLINE = ("tracker=wandb", "tracker.wandb.mode=offline")


@dataclass
class Outcome:
    run: RunFolder
    seconds: float
    to_the_end: float
    warnings: list[str]
    outside: list[Path]


def small_run(folder: Path, overrides: tuple[str, ...], signal: str = "", url: str = "") -> Outcome:
    """`small_run.py` in a process whose home, working and temporary folders are empty."""
    run, home = RunFolder(folder / "run"), folder / "home"
    run.path.mkdir(exist_ok=True)
    home.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("WANDB_")}
    environment |= {"HOME": str(home), "TMPDIR": str(home), "PYTHONPATH": str(CHECKOUT)}
    if url:
        environment |= {"WANDB_API_KEY": "0" * 40, "WANDB_BASE_URL": url}
    command = [sys.executable, "-m", "tests.tracker.small_run", str(run.path), signal, *overrides]
    done = subprocess.run(
        command, cwd=home, env=environment, capture_output=True, text=True, timeout=120
    )
    ended = time.monotonic()
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["same"], "the global random state was used"
    assert not facts["left"], "wandb's process is handed down to children"
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


def test_without_a_tracker_there_is_only_the_log(undisturbed: Outcome) -> None:
    assert [path.name for path in undisturbed.run.path.iterdir()] == ["log.jsonl"]
    assert undisturbed.warnings == [] and undisturbed.outside == []


@pytest.mark.parametrize("how", BAD)
def test_a_bad_server_costs_no_number(how: str, tmp_path: Path, undisturbed: Outcome) -> None:
    with bad_server(how) as url:
        outcome = small_run(tmp_path, ("tracker=wandb",), url=url)
    line = check(outcome)
    assert outcome.seconds < 1.05 * undisturbed.seconds + 3
    assert "wandb: offline (" in line and "`wandb sync " in line
    rows = history(outcome.run)
    assert [rows[step]["train/loss"] for step in range(1, ROWS + 1)] == [
        1 / step for step in range(1, ROWS + 1)
    ]


@pytest.mark.parametrize(
    "signal, words", [("SIGKILL", "wandb: stopped"), ("SIGSTOP", "wandb: gave no answer")]
)
def test_a_dead_or_frozen_service_is_left_behind(signal: str, words: str, tmp_path: Path) -> None:
    outcome = small_run(tmp_path, OFFLINE, signal)
    line = check(outcome)
    assert words in line and str(outcome.run.log) in line


@pytest.mark.parametrize("name", ["wandb", "tensorboard"])
def test_an_unwritable_folder_is_told_once(
    name: str, run: RunFolder, config: Callable[..., Config], caplog: pytest.LogCaptureFixture
) -> None:
    (run.path / name).write_text("")
    trackers = Trackers(build_recipes(config(f"tracker={name}")).trackers, run, {}, "train")
    trackers.log({"train/loss": 1.0}, 1)
    trackers.close(failed=False)
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"warning: {name}: " in line and "cannot be written" in line and str(run.log) in line
    assert [path.name for path in run.path.iterdir()] == [name]
    assert list(Path.home().iterdir()) == []


@pytest.mark.parametrize(
    "name, missing", [("wandb", "wandb"), ("tensorboard", "tensorboard.summary.writer")]
)
def test_a_library_that_cannot_be_imported_is_told_once(
    name: str, missing: str, run: RunFolder, config: Callable[..., Config],
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setitem(sys.modules, missing, None)
    trackers = Trackers(build_recipes(config(f"tracker={name}")).trackers, run, {}, "train")
    trackers.close(failed=False)
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"{name} cannot be imported" in line


class Slow(Silence):
    """Connects when it is let in, and keeps what it hears."""

    def __init__(self) -> None:
        self.may_connect, self.is_abandoned = threading.Event(), False
        self.heard: list[Any] = []

    def connect(self) -> str:
        self.may_connect.wait()
        return ""

    def log(self, values: dict[str, float], step: int) -> None:
        self.heard.append((step, values))

    def close(self, failed: bool) -> None:
        self.heard.append(failed)

    def abandon(self) -> None:
        self.is_abandoned = True


@dataclass(frozen=True)
class Ready(AbstractTracker):
    """Recipe of a tracker that a test has made."""

    made: Any

    def start(self, *_: Any, is_cut_off: bool) -> ActiveTracker:
        self.made.is_cut_off = is_cut_off
        return self.made


def start(run: RunFolder, tracker: ActiveTracker) -> Trackers:
    return Trackers({"slow": Ready(tracker)}, run, {}, "train")


def test_what_was_told_while_connecting_arrives(run: RunFolder) -> None:
    slow = Slow()
    trackers = start(run, slow)
    values = {"a": 1.0}
    trackers.log(values, 1)
    values["a"] = 2.0
    trackers.log(values, 2)
    assert slow.heard == []
    slow.may_connect.set()
    trackers.close(failed=True)
    assert slow.heard == [(1, {"a": 1.0}), (2, {"a": 2.0}), True]
    assert not slow.is_abandoned


def test_what_waits_for_a_server_is_bounded(
    run: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    slow = Slow()
    trackers = start(run, slow)
    picture = Image.new("RGB", (1000, 1000))
    for step in range(WAITING_BYTES // 4_000_000 + 9):
        trackers.log_images("validation/pictures", [("a", picture)], step)
    assert slow.is_abandoned
    began = time.monotonic()
    trackers.close(failed=False)
    assert time.monotonic() - began < 1
    (line,) = [record.getMessage() for record in caplog.records]
    assert "slow: does not keep up" in line and str(run.log) in line


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("fault", [TrackerFault("broken"), ZeroDivisionError()])
def test_a_fault_quiets_one_tracker_only(
    run: RunFolder, caplog: pytest.LogCaptureFixture, fault: Exception
) -> None:
    class Broken(Slow):
        def log(self, values: dict[str, float], step: int) -> None:
            raise fault

    broken, well = Broken(), Slow()
    trackers = Trackers({"broken": Ready(broken), "well": Ready(well)}, run, {}, "train")
    broken.may_connect.set()
    well.may_connect.set()
    for step in (1, 2):
        trackers.log({}, step)
    trackers.close(failed=False)
    assert broken.is_abandoned and well.heard == [(1, {}), (2, {}), False]
    (line,) = [record.getMessage() for record in caplog.records]
    assert "broken: " in line


def test_one_command_warns_once_and_stays_cut_off(
    run: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    def stage() -> bool:
        class Broken(Slow):
            def connect(self) -> str:
                raise TrackerFault("broken")

        broken = Broken()
        start(run, broken).close(failed=False)
        return bool(broken.is_cut_off)  # type: ignore[attr-defined]

    with run.lock():
        assert [stage(), stage()] == [False, True]
    assert len(caplog.records) == 1
    (run.path / ".lock").write_text("pid 0")
    assert not stage()
    assert len(caplog.records) == 2


def test_a_fork_waits_for_imports(run: RunFolder) -> None:
    class Importing(Slow):
        def prepare(self) -> None:
            begun.set()
            time.sleep(0.5)
            self.is_prepared = True

    begun, slow = threading.Event(), Importing()
    trackers = start(run, slow)
    begun.wait()
    if (child := os.fork()) == 0:
        os._exit(0 if hasattr(slow, "is_prepared") else 1)
    assert os.waitpid(child, 0)[1] == 0
    slow.may_connect.set()
    trackers.close(failed=False)


def test_it_imports_neither_torch_nor_pictures() -> None:
    code = (
        "import sys, sdexp.tracker.background, sdexp.tracker.wandb, sdexp.tracker.tensorboard;"
        "print([name for name in ('torch', 'PIL', 'numpy', 'wandb') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
