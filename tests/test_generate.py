"""The door of single pictures, with a worker that ends as it is told."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sdexp import generate
from sdexp.ground.build import read_config
from sdexp.ground.picture_requests import (
    FINETUNED,
    ORIGINAL,
    Fillers,
    GenerateRequest,
    GridConfig,
    Variant,
)
from sdexp.ground.record_files import read_record
from sdexp.ground.run import RunFolder
from tests.commands import fault
from tests.records import TRAINING


@pytest.fixture
def run(new_run: Any, empty_folder: Path) -> RunFolder:
    """A trained run."""
    made: RunFolder = new_run("run", "evaluation.negative_prompt=blurry")
    made.change_record(status="finished", training=TRAINING)
    made.weights.mkdir()
    return made


def test_what_is_asked_for_is_written_for_the_worker(
    run: RunFolder, told_worker: Callable[[str], Path]
) -> None:
    asked = told_worker("0")
    before = run.record.read_bytes()
    argv = [f"run={run.path}", "prompt=A big, RED heart!", "seeds=[3,5]", "guidance_scale=4.5"]
    assert generate.main(argv) == 0
    (folder,) = run.generated.iterdir()
    assert folder.name.endswith("_a-big-red-heart")
    assert asked.read_text() == f"generate:{folder.name}"
    own = read_config(run.config).evaluation
    assert read_record(folder / "request.json", GenerateRequest) == GenerateRequest(
        ["A big, RED heart!"],
        [3, 5],
        str(own.sampler),
        own.num_inference_steps,
        4.5,
        "blurry",
        None,
        None,
        [ORIGINAL, FINETUNED],
        GridConfig(None, Fillers.prompts, 8, 140),
    )
    assert run.record.read_bytes() == before


def test_prompts_may_come_from_a_file(
    run: RunFolder, told_worker: Callable[[str], Path], empty_folder: Path
) -> None:
    told_worker("0")
    Path("p.txt").write_text("a cat, on a mat\nanother = {thing}\n")
    argv = [f"run={run.path}", "prompts=p.txt"]
    for _ in range(3):
        assert generate.main(argv) == 0
    folders = sorted(run.generated.iterdir())
    # One request does not overwrite another.
    assert len(folders) == 3
    request = read_record(folders[0] / "request.json", GenerateRequest)
    assert request.prompts == ["a cat, on a mat", "another = {thing}"]
    assert generate.main([f"run={run.path}", "prompt=@p.txt"]) == 0
    (whole,) = set(run.generated.iterdir()) - set(folders)
    found = read_record(whole / "request.json", GenerateRequest).prompts
    assert found == ["a cat, on a mat another = {thing}"]
    assert generate.main([f"run={run.path}", "prompts=absent.txt"]) == 65
    assert generate.main([f"run={run.path}", "prompts=p.txt", "prompt=x"]) == 2


def test_the_code_of_the_worker_is_that_of_the_command(
    run: RunFolder, told_worker: Callable[[str], Path]
) -> None:
    told_worker("75:out of memory")
    assert generate.main([f"run={run.path}", "prompt=x", "negative_prompt="]) == 75
    (folder,) = run.generated.iterdir()
    assert read_record(folder / "request.json", GenerateRequest).negative_prompt == ""


def test_what_is_refused_leaves_nothing(run: RunFolder, told_worker: Callable[[str], Path]) -> None:
    told_worker("65:the weights are not those of the training")
    assert generate.main([f"run={run.path}", "prompt=x"]) == 65
    assert not list(run.generated.iterdir())


@pytest.mark.parametrize(
    "overrides, words",
    [
        ([], "prompt: a value is missing; set prompt=..."),
        (["prompt=x", "seeds=[]"], "seeds=[]: name at least one"),
        (["prompt=x", "seeds=[1,-1]"], "generate.seeds[1]=-1: allowed is 0 or more"),
        (["prompt=x", "num_inference_steps=0"], "num_inference_steps=0: allowed is 1 or more"),
        (["prompt=x", "num_inference_steps=1001"], "num_inference_steps=1001: allowed is 1000"),
        (["prompt=x", "guidance_scale=-0.5"], "guidance_scale=-0.5: allowed is 0 or more"),
    ],
)
def test_a_wrong_request_is_one_line(
    run: RunFolder, overrides: list[str], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert words in fault(capfd, 2, f"run={run.path}", *overrides, door=generate)
    assert not run.generated.exists()


def test_a_run_without_weights_is_refused(
    run: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    run.weights.rmdir()
    line = fault(capfd, 2, f"run={run.path}", "prompt=x", door=generate)
    assert "its weights are missing" in line


def asked_of(run: RunFolder, *words: str) -> GenerateRequest:
    assert generate.main([f"run={run.path}", *words]) == 0
    return read_record(max(run.generated.iterdir()) / "request.json", GenerateRequest)


def test_earlier_steps_are_made_before_their_pictures(
    run: RunFolder, told_worker: Callable[[str], Path]
) -> None:
    asked = told_worker("0")
    request = asked_of(run, "prompt=x", "checkpoints=[400,200]")
    assert request.variants == [ORIGINAL, Variant("step 400", 400), Variant("step 200", 200)]
    (folder,) = run.generated.iterdir()
    assert asked.read_text().split() == ["weights:200", "weights:400", f"generate:{folder.name}"]


def test_strengths_are_states_of_the_weights(
    run: RunFolder, told_worker: Callable[[str], Path]
) -> None:
    told_worker("0")
    request = asked_of(run, "prompt=x", "strengths=[0.5,1]")
    assert [one.name for one in request.variants] == ["original", "strength 0.5", "strength 1"]
    assert [one.strength for one in request.variants] == [0, 0.5, 1]


def test_a_grid_has_its_own_prompt(run: RunFolder, told_worker: Callable[[str], Path]) -> None:
    told_worker("0")
    request = asked_of(run, "grid.main=a cat, wearing glasses", "grid.size=4")
    assert request.prompts == ["a cat, wearing glasses"]
    assert request.grid == GridConfig("a cat, wearing glasses", Fillers.prompts, 4, 140)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["grid.main=a", "prompt=b"], "grid.main=a: set it alone, without prompt and prompts"),
        (["grid.main="], "grid.main is empty: write what pictures are to show"),
        (["prompt=a", "grid.size=4"], "grid.size=4: there is no grid; set grid.main=PROMPT too"),
        (["grid.main=a", "grid.fillers=llm"], "OPENAI_BASE_URL is not set"),
        (["grid.main=caf\udce9"], "grid.main: holds bytes that are no text"),
        (["prompt=a", "strengths=[nan]"], "allowed are numbers above 0, each once"),
        (["prompt=a", "strengths=[1e400]"], "allowed are numbers above 0, each once"),
        (["prompt=a", "strengths=[0.33333333,0.33333334]"], "numbers above 0, each once"),
        (["grid.main=a", "grid.size=3"], "grid.size=3: allowed is an even number"),
        (["grid.main=a", "grid.fillers=photos"], "grid.fillers=photos"),
        (["prompt=a", "strengths=[1]", "checkpoints=[2]"], "set one of them"),
        (["prompt=a", "strengths=[1,1]"], "allowed are numbers above 0, each once"),
        (["prompt=a", "checkpoints=[0]"], "checkpoints=[0]: allowed are numbers above 0"),
    ],
)
def test_what_cannot_be_asked_for_is_told(
    run: RunFolder,
    words: list[str],
    told: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    assert told in fault(capfd, 2, f"run={run.path}", *words, door=generate)
    assert not run.generated.exists()


def test_weights_from_elsewhere_have_no_earlier_steps(
    empty_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    argv = ["original=pocket", "finetuned=x", "prompt=a", "checkpoints=[2]"]
    assert "have no earlier steps" in fault(capfd, 2, *argv, door=generate)


def test_a_main_prompt_may_come_from_a_file(
    run: RunFolder, told_worker: Callable[[str], Path], empty_folder: Path
) -> None:
    told_worker("0")
    Path("p.txt").write_text("a cat\nwith glasses")
    assert asked_of(run, "grid.main=@p.txt").grid.main == "a cat with glasses"


def test_whole_networks_have_no_strength(
    new_run: Any, empty_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = new_run("whole", "finetune=unet")
    whole.change_record(status="finished", training=TRAINING)
    whole.weights.mkdir()
    line = fault(capfd, 2, f"run={whole.path}", "prompt=a", "strengths=[0.5]", door=generate)
    assert "this run trained whole networks; only adapters have a strength" in line
