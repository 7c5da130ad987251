import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest

from sdexp.ground.build import Config, write_config
from sdexp.ground.records import RunRecord
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.launch.compose import compose
from sdexp.recipes import Recipes, build_recipes

pytest_plugins = ["tests.clips", "tests.tracked"]

SHARED = Path(__file__).parents[2] / "shared" / "data"
# Small enough for a test, large enough to pass through every stage.
FAST = [
    "debug=fast",
    "tracker=none",
    "dataset.num_train=40",
    "dataset.num_val=8",
    "dataset.num_test=12",
]


@pytest.fixture(autouse=True)
def own_store(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the store of the person who runs the tests."""
    monkeypatch.setenv("SDEXP_STORE", str(tmp_path_factory.mktemp("store")))


@pytest.fixture(autouse=True)
def fresh_accelerate() -> Iterator[None]:
    """Accelerate keeps its precision for the whole process; a run has a process of its own."""
    yield
    if "accelerate.state" in sys.modules:
        from accelerate.state import AcceleratorState, GradientState

        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()


@pytest.fixture(autouse=True)
def warm_workers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands called in this process start workers that need not import, but in `cold` tests."""
    if request.node.get_closest_marker("cold") is None:
        from sdexp.launch import processes
        from tests import warm_workers

        monkeypatch.setattr(processes, "start", warm_workers.start)


@pytest.fixture
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which becomes the working directory."""
    folder = tmp_path / "cwd"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def config() -> Callable[..., Config]:
    """Compose `train.yaml` with overrides."""
    return lambda *overrides: compose("train", list(overrides)).config


@pytest.fixture
def recipes(config: Callable[..., Config]) -> Callable[..., Recipes]:
    """Recipes of a small run."""
    return lambda *overrides: build_recipes(config(*FAST, *overrides))


@pytest.fixture
def new_run(tmp_path: Path, config: Callable[..., Config]) -> Callable[..., RunFolder]:
    """A run folder with its frozen configuration, as a door leaves it to a worker."""

    def make(name: str, *overrides: str) -> RunFolder:
        run = RunFolder(tmp_path / name)
        run.path.mkdir()
        write_config(run.config, config(*FAST, *overrides))
        run.write_record(RunRecord(status="running"))
        return run

    return make


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The override that takes a model of a few thousand random weights."""
    from tests.tiny import make_tiny

    return f"model.pretrained_model_name_or_path={make_tiny(tmp_path_factory.mktemp('tiny'))}"


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small checkpoint of every real family."""
    from tests.checkpoints import KINDS, tiny_checkpoint

    root = tmp_path_factory.mktemp("families")
    return {family: tiny_checkpoint(root / family, family) for family in KINDS}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """A file system of its own, of a size such as "64k"."""
    disk = tmp_path / "disk"

    def mounted(size: str) -> Path:
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a small file system can only be mounted by root")
        return disk

    yield mounted
    subprocess.run(["umount", "-l", str(disk)], capture_output=True)


@pytest.fixture(scope="session")
def shared_data() -> Iterator[Path]:
    if not SHARED.is_dir():
        pytest.skip("the folder of real pictures is not beside this checkout")
    yield SHARED


@pytest.fixture
def told_worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Have commands start a worker that ends as it is told; gives the file of its stages."""
    from sdexp.launch import processes

    asked = tmp_path / "stages"

    def tell(how: str) -> Path:
        monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
        monkeypatch.setenv("TOLD", how)
        monkeypatch.setenv("TOLD_STAGES", str(asked))
        monkeypatch.setattr(processes, "WORKER", "tests.told_worker")
        return asked

    return tell
