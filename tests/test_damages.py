"""Each door on a run of which one file is damaged or gone: one line, the right exit code, and what
is good stays readable.
"""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from sdexp import evaluate, generate, report, train
from sdexp.ground.run import RunFolder
from tests.commands import digest, fault
from tests.conftest import FAST
from tests.tiny import make_tiny

Damage = Callable[[Path], None]
DOORS: list[tuple[Any, list[str]]] = [
    (train, ["run_dir=run"]),
    (train, ["run_dir=run", "training.max_train_steps=6"]),
    (evaluate, ["run=run", "evaluation.seed=1"]),
    (generate, ["run=run", "prompt=x"]),
]


def empty(file: Path) -> None:
    file.write_bytes(b"")


def binary(file: Path) -> None:
    file.write_bytes(bytes(range(256)))


def a_list(file: Path) -> None:
    file.write_text("[1, 2]\n")


def truncated(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def missing(file: Path) -> None:
    file.unlink()


def a_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def foreign_lines(file: Path) -> None:
    file.write_text('hello\n{"a": 1}\n3\n')


def half_of_the_tensors(file: Path) -> None:
    tensors = load_file(file)
    save_file({name: tensors[name] for name in sorted(tensors)[::2]}, file)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run."""
    folder = tmp_path_factory.mktemp("whole")
    model = f"model.pretrained_model_name_or_path={make_tiny(folder / 'tiny')}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SDEXP_STORE", str(folder / "store"))
        assert train.main([*FAST, model, f"run_dir={folder / 'run'}"]) == 0
    return folder / "run"


@pytest.fixture
def run(whole: Path, empty_folder: Path) -> RunFolder:
    """A copy of it, as `run` in the working directory."""
    shutil.copytree(whole, empty_folder / "run")
    return RunFolder(Path("run"))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("damage", [empty, binary, a_list, truncated, missing, a_folder])
@pytest.mark.parametrize("name", ["config.yaml", "run.json"])
def test_no_door_goes_on_without_configuration_or_record(
    name: str, damage: Damage, door: tuple[Any, list[str]], run: RunFolder, capfd: Any
) -> None:
    damage(run.path / name)
    before = digest(run.path)
    line = fault(capfd, 2 if name == "config.yaml" else 65, *door[1], door=door[0])
    assert line.startswith("error: run") or f"run/{name}: " in line
    assert digest(run.path) == before


@pytest.mark.parametrize("damage", [empty, binary, a_list, truncated, missing, a_folder])
def test_no_report_without_its_record(damage: Damage, run: RunFolder, capfd: Any) -> None:
    damage(run.record)
    assert "run/run.json: " in fault(capfd, 65, "run=run", door=report)


@pytest.mark.parametrize(
    ("name", "damages"),
    [
        ("config.yaml", [empty, binary, a_list, truncated]),
        ("log.jsonl", [binary, foreign_lines, missing, a_folder]),
        ("scores.json", [empty, binary, a_list, truncated, missing, a_folder]),
        ("per_image.parquet", [empty, binary, truncated, missing, a_folder]),
        ("images/finetuned/*.png", [empty, truncated, missing]),
        ("weights/*.safetensors", [missing, a_folder]),
    ],
)
def test_the_report_shows_what_is_good_and_tells_the_rest(
    name: str, damages: list[Damage], run: RunFolder, whole: Path, capfd: Any
) -> None:
    (file, *_) = sorted(run.path.glob(name))
    for damage in damages:
        damage(file)
        run.report_html.unlink()
        line = fault(capfd, 65, "run=run", door=report)
        assert file.name in line
        page = run.report_html.read_text()
        assert file.name in page and "</html>" in page
        file.rmdir() if file.is_dir() else file.unlink(missing_ok=True)
        shutil.copy(whole / file.relative_to(run.path), file)
    assert report.main(["run=run"]) == 0


@pytest.mark.parametrize("door", DOORS)
def test_a_wrong_value_in_a_configuration_names_its_file(
    door: tuple[Any, list[str]], run: RunFolder, capfd: Any
) -> None:
    text = run.config.read_text()
    run.config.write_text(text.replace("max_train_steps: 4", "max_train_steps: four"))
    before = digest(run.path)
    line = fault(capfd, 2, *door[1], door=door[0])
    assert line.startswith("error: run/config.yaml: training.max_train_steps: Value 'four'")
    assert digest(run.path) == before


def test_a_page_of_many_runs_tells_the_damaged_one(
    whole: Path, empty_folder: Path, capfd: Any
) -> None:
    damages = [(binary, name) for name in ("run.json", "log.jsonl", "scores.json")]
    damages += [(binary, "per_image.parquet")]
    damages += [(damage, "config.yaml") for damage in (empty, binary, truncated, missing)]
    for damage, name in damages:
        shutil.copytree(whole, empty_folder / "runs" / "0")
        shutil.copytree(whole, empty_folder / "runs" / "1")
        damage(empty_folder / "runs" / "0" / name)
        assert report.main(["runs=runs"]) == 0
        told = capfd.readouterr().err
        assert told.startswith(f"warning: runs/0/{name}: ") and told.count("\n") == 1
        assert f"runs/0/{name}: " in (empty_folder / "runs" / "report.html").read_text()
        shutil.rmtree(empty_folder / "runs")


@pytest.mark.slow
@pytest.mark.parametrize("damage", [truncated, missing, half_of_the_tensors])
@pytest.mark.parametrize("door", DOORS[2:])
def test_weights_that_are_not_those_of_the_training_are_refused(
    damage: Damage, door: tuple[Any, list[str]], run: RunFolder, capfd: Any
) -> None:
    (file,) = run.weights.glob("*.safetensors")
    damage(file)
    scores = run.scores.read_bytes()
    line = fault(capfd, 65, *door[1], door=door[0])
    assert file.name in line and "remove run/weights and let" in line
    assert run.scores.read_bytes() == scores


@pytest.mark.slow
@pytest.mark.parametrize("is_a_file", [False, True])
def test_what_cannot_be_trained_again_keeps_its_results(
    is_a_file: bool, run: RunFolder, capfd: Any
) -> None:
    shutil.rmtree(run.weights)
    if is_a_file:
        run.weights.touch()
    else:
        for file in run.checkpoints.glob("*/trained.safetensors"):
            truncated(file)
    results = [run.scores, run.per_image, run.report_html, run.config, run.record]
    before = [file.read_bytes() for file in results]
    line = fault(capfd, 65, "run_dir=run", door=train)
    assert "run/weights: is no folder" in line if is_a_file else "no good checkpoint" in line
    assert [file.read_bytes() for file in results] == before
    assert not run.evaluations.exists()
