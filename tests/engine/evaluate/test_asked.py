from pathlib import Path
from typing import Any

import pytest

from sdexp.engine.data import open_data
from sdexp.engine.evaluate.asked import everything_asked, general_prompts
from sdexp.ground.assets import ASSETS
from sdexp.ground.run import EvaluationFolder


def test_the_evaluation_asks_for_its_own_and_for_the_guards(new_run: Any, recipes: Any) -> None:
    run = new_run("run")
    own, general, train = everything_asked(run, recipes("evaluation.replicates=3"))
    assert (own.name, general.name, train.name) == ("", "general", "train")
    assert (own.pictures, general.pictures, train.pictures) == (12, 2, 2)
    ids = [prompt.sample_id for prompt in train.prompts]
    data = recipes().dataset.open("train")
    assert set(ids) <= {data.sample_id(k) for k in range(len(data))}
    folder = EvaluationFolder(run.path)
    assert own.folder(folder, "original") == folder.images("original")
    assert train.folder(folder, "finetuned") == run.path / "images" / "train" / "finetuned"


@pytest.mark.parametrize(
    "overrides, names",
    [
        (["evaluation.control=self"], [""]),
        (["evaluation.num_general_prompts=0"], ["", "train"]),
        (["evaluation.num_train_prompts=0"], ["", "general"]),
        (["evaluation=none"], []),
    ],
)
def test_a_question_can_be_left_out(
    new_run: Any, recipes: Any, overrides: list[str], names: list[str]
) -> None:
    assert [one.name for one in everything_asked(new_run("run"), recipes(*overrides))] == names


@pytest.mark.parametrize("names, asked", [("kid", ["", "train"]), ("lpips_diversity", [""])])
def test_nothing_is_made_that_no_metric_looks_at(
    new_run: Any, recipes: Any, names: str, asked: list[str]
) -> None:
    made = recipes(f"metric=[{names}]", "evaluation.replicates=2")
    assert [one.name for one in everything_asked(new_run("run"), made)] == asked


def test_training_captions_are_of_different_pictures(new_run: Any, recipes: Any) -> None:
    """A sample for each of the five captions of a picture."""
    words = ("dataset.sample_unit=caption", "dataset.num_train=3", "evaluation.num_train_prompts=9")
    run = new_run("run", *words)
    train = everything_asked(run, recipes(*words))[-1]
    data = open_data(run, recipes(*words), "train")
    pictures = [data.picture_id(prompt.index) for prompt in train.prompts]
    assert len(pictures) == len(set(pictures)) == 3


def test_prompts_of_ones_own_take_the_place_of_general_ones(recipes: Any, tmp_path: Path) -> None:
    file = tmp_path / "mine.txt"
    file.write_text("a boat\na barn\na bridge\n")
    found = general_prompts(recipes(f"evaluation.general_prompts={file}"))
    assert [prompt.caption for prompt in found] == ["a boat", "a barn"]


@pytest.mark.parametrize("name", ["general.txt", "pocket.txt"])
def test_the_lists_of_the_package_say_nothing_twice(name: str) -> None:
    lines = (ASSETS / "prompts" / name).read_text().splitlines()
    assert len(lines) == len(set(lines)) == 100 and all(line.strip() == line for line in lines)


def test_the_embedded_list_is_what_its_script_writes() -> None:
    import runpy

    file = ASSETS / "prompts" / "pocket.txt"
    before = file.read_bytes()
    script = Path(__file__).parents[3] / "scripts" / "build_prompts.py"
    runpy.run_path(str(script), run_name="__main__")
    assert file.read_bytes() == before
