"""The package as a program uses it."""

import doctest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import sdexp.api
from sdexp.ground.errors import ConfigError, DataError, RunFailed
from sdexp.ground.plugins import trusted
from tests.conftest import FAST

SMALL = [*FAST, "finetune=unet", "evaluation=none", "training.max_train_steps=1"]


@pytest.mark.slow
def test_the_example_is_true(empty_folder: Path) -> None:
    found = doctest.testmod(sdexp.api, optionflags=doctest.ELLIPSIS)
    assert (found.failed, found.attempted) == (0, 10)
    assert list((empty_folder / "outputs").glob("*/*_api_*/config.yaml"))


def test_what_is_refused_is_raised_and_leaves_nothing(empty_folder: Path) -> None:
    with pytest.raises(ConfigError, match="optimizer"):
        sdexp.api.train([*SMALL, "optimizer.lr=abc"])
    with pytest.raises(ConfigError, match="no run folder"):
        sdexp.api.Run(empty_folder)
    assert not (empty_folder / "outputs").exists()


def test_a_run_that_fails_says_where_and_with_which_code(
    empty_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [*SMALL, "run_dir=mine", "optimizer.lr=1e30", "training.max_train_steps=9"]
    with pytest.raises(RunFailed, match="mine: ended with exit code 76") as failed:
        sdexp.api.train(words)
    assert failed.value.exit_code == 76
    # A program's own output stays its own.
    told = capfd.readouterr()
    assert told.out == "" and "run folder: mine" in told.err and "training" in told.err


def test_a_pipeline_has_the_weights_or_there_is_none(empty_folder: Path) -> None:
    run = sdexp.api.train([*SMALL, "run_dir=mine"])
    original, finetuned = (
        run.pipeline(model).unet.state_dict() for model in ("original", "finetuned")
    )
    # The README names a run by text.
    assert sdexp.api.Run("mine").config == run.config  # type: ignore[arg-type]
    (file,) = (run.path / "weights").rglob("*.safetensors")
    kept = load_file(file)
    assert all(torch.equal(kept[name], finetuned[name]) for name in kept)
    assert any(not torch.equal(original[name], finetuned[name]) for name in kept)
    first = next(iter(kept))
    save_file({name: tensor for name, tensor in kept.items() if name != first}, file)
    with pytest.raises(DataError):
        run.pipeline("finetuned")
    with pytest.raises(DataError, match=r"scores.json"):
        print(run.scores)
    with pytest.raises(ConfigError, match="model=cuda: allowed is original or finetuned"):
        run.pipeline("cuda")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "words", [["--help"], ["-m", "training.seed=1,2"], ["dry_run=true"], ["sweep=lora_rank"]]
)
def test_words_that_make_no_run_are_refused_first(empty_folder: Path, words: list[str]) -> None:
    with pytest.raises(ConfigError, match=words[0]):
        sdexp.api.train(words)
    assert list(empty_folder.iterdir()) == []


def test_what_a_call_trusts_is_forgotten(empty_folder: Path) -> None:
    with pytest.raises(ConfigError):
        sdexp.api.train(["plugins=[json]", *SMALL, "optimizer.lr=abc"])
    assert trusted() == []


def test_a_thread_hears_of_no_signal(empty_folder: Path) -> None:
    with ThreadPoolExecutor() as pool, pytest.raises(ConfigError, match="main thread"):
        pool.submit(sdexp.api.train, SMALL).result()
