import itertools
from pathlib import Path

import pytest

from sdexp.ground.errors import ConfigError, DataError
from sdexp.launch.files import OWN
from sdexp.launch.sweep.grid import Grid, composed_jobs, read_grid
from tests.conftest import FAST


def test_every_combination_is_there_once_and_the_last_key_changes_fastest() -> None:
    grid = read_grid([*FAST, "training.seed=1,2", "finetune.rank=2,4,8"])
    assert grid.fixed == FAST
    expected = [
        [f"training.seed={seed}", f"finetune.rank={rank}"]
        for seed, rank in itertools.product((1, 2), (2, 4, 8))
    ]
    assert grid.combinations() == expected


@pytest.mark.parametrize(
    "override, values",
    [
        ("training.seed=range(0,3)", ["0", "1", "2"]),
        ("finetune=lora,unet", ["lora", "unet"]),
        ("optimizer.lr=1e-3,1e-4", ["0.001", "0.0001"]),
        ("training.seed=choice(5,6)", ["5", "6"]),
        ("evaluation.split=val,test", ["val", "test"]),
    ],
)
def test_values_are_listed_in_many_ways(override: str, values: list[str]) -> None:
    key = override.partition("=")[0]
    assert read_grid([override]).alternatives == [[f"{key}={value}" for value in values]]


def test_a_sweep_file_gives_what_the_line_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sweep").mkdir()
    params = "sweep:\n  params:\n    training.seed: 1,2\n    finetune.rank: 2,4\n"
    (tmp_path / "sweep" / "mine.yaml").write_text(f"# @package _global_\n{params}")
    monkeypatch.setenv(OWN, str(tmp_path))
    listed = [["training.seed=1", "training.seed=2"], ["finetune.rank=2", "finetune.rank=4"]]
    assert read_grid(["sweep=mine"]).alternatives == listed
    assert read_grid(["sweep=mine", "finetune.rank=8"]).alternatives == listed[:1]
    swept = [["finetune.rank=8", "finetune.rank=9"], listed[0]]
    assert read_grid(["sweep=mine", "finetune.rank=8,9"]).alternatives == swept


@pytest.mark.parametrize(
    "overrides, words",
    [
        (["training.seed=1"], "-m: nothing to sweep"),
        (["training.seed=interval(0,1)"], "an interval has no end of values"),
        (["run_dir=a,b"], "run_dir: is the same for all jobs"),
        (["resume=auto,never"], "resume: is the same for all jobs"),
        (["training.seed=range(3,1)"], "holds no value"),
        (["training.seed=1,[2"], "training.seed=1,\\[2: cannot be read"),
    ],
)
def test_what_cannot_be_swept_is_told(overrides: list[str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_grid(overrides)


def test_jobs_are_composed_with_what_they_set() -> None:
    jobs = composed_jobs(Grid([*FAST, "finetune.rank=2"], [["training.seed=1", "training.seed=2"]]))
    assert [job.number for job in jobs] == [0, 1]
    assert [job.composed.config.training.seed for job in jobs] == [1, 2]
    assert [job.recipes.training.seed for job in jobs] == [1, 2]
    assert {job.composed.config.finetune.rank for job in jobs} == {2}


def test_the_faults_of_all_jobs_are_told_at_once() -> None:
    wrong = [["training.seed=1", "training.seed=-2", "training.seed=-3"]]
    with pytest.raises(ConfigError) as caught:
        composed_jobs(Grid(FAST, wrong))
    lines = str(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        "job 1 (training.seed=-2)",
        "job 2 (training.seed=-3)",
    ]


def test_a_missing_file_is_told_once() -> None:
    fixed = [*FAST, "dataset=imagefolder", "dataset.data_dir=absent"]
    fixed = [word for word in fixed if not word.startswith("dataset.num_")]
    with pytest.raises(DataError) as caught:
        composed_jobs(Grid(fixed, [["training.seed=1", "training.seed=2"]]))
    assert str(caught.value).count("dataset.data_dir=absent") == 1
