"""Evaluations beside a run's own, by a real child that ends as it is told."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdexp.ground.build import Config, read_config
from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.records import EvaluatedRecord, EvaluationRecord
from sdexp.ground.run import EvaluationFolder, RunFolder
from sdexp.launch.beside import NAME_LENGTH, evaluate_beside, is_evaluated
from sdexp.recipes import build_recipes
from tests.records import TRAINING

Told = Callable[[str], Path]


@pytest.fixture
def run(new_run: Any) -> RunFolder:
    """A finished run of 100 steps."""
    made: RunFolder = new_run("run")
    made.change_record(status="finished", stage="evaluate", training=TRAINING)
    made.weights.mkdir()
    return made


def evaluated(run: RunFolder, config: Config) -> tuple[int, EvaluationFolder]:
    code, (folder,) = evaluated_each(run, [config])
    return code, folder


def evaluated_each(run: RunFolder, configs: list[Config]) -> tuple[int, list[EvaluationFolder]]:
    with run.lock() as lock:
        return evaluate_beside(run, configs, build_recipes(configs[0]), "the command", lock)


def record_of(folder: EvaluationFolder) -> EvaluationRecord:
    return read_record(folder.evaluation_record, EvaluationRecord)


def renamed(folder: EvaluationFolder) -> EvaluationFolder:
    """As if it were of another day."""
    return EvaluationFolder(folder.path.rename(folder.path.with_name("2020-01-01_00-00-00_x")))


def test_what_sets_it_apart_is_kept(run: RunFolder, told_worker: Told) -> None:
    asked = told_worker("0")
    other = read_config(run.config)
    other.evaluation.replicates = 7
    other.metric.kid.smallest_effect.efficientnet_lite0 = 0.25
    code, folder = evaluated(run, other)
    assert code == 0 and folder.path.parent == run.evaluations
    assert (
        "replicates-7" in folder.path.name and asked.read_text() == f"evaluate:{folder.path.name}"
    )
    record = record_of(folder)
    assert any(line.endswith("evaluation.replicates: 1 -> 7") for line in record.differs)
    assert record.chosen_later == ["metric.kid.smallest_effect.efficientnet_lite0"]
    assert record.steps == 100 and record.status == "finished" and record.command == "the command"
    assert read_config(folder.config) == other and read_config(run.config) != other
    assert folder.report_html.is_file() and folder.path.name in run.report_html.read_text()


def test_metrics_that_come_and_go_are_told_by_their_names(
    run: RunFolder, told_worker: Told
) -> None:
    told_worker("0")
    other = read_config(run.config)
    del other.metric.fd
    del other.metric.lpips_gt
    other.metric.mine = dict(other.metric.kid) | {"smallest_effect": {"clip": 1.0}}
    other.metric.mine.backbone = "clip"
    code, folder = evaluated(run, other)
    assert code == 0 and folder.path.name.endswith("_metric-mine")
    assert record_of(folder).differs == [
        "metric: without fd",
        "metric: without lpips_gt",
        "metric: mine too",
    ]


def test_several_are_done_by_one_worker(run: RunFolder, told_worker: Told) -> None:
    asked = told_worker("0")
    configs = []
    for step in (2, 4):
        config = read_config(run.config)
        config.evaluation.checkpoint = step
        configs.append(config)
        # So long a name that little of the folder's would be left.
        config.backbone.clip.pretrained_model_name_or_path = "somewhere/" + "very" * 20
    assert not is_evaluated(run, configs[0])
    code, folders = evaluated_each(run, configs)
    assert code == 0 and [record_of(folder).checkpoint for folder in folders] == [2, 4]
    assert folders[0].path != folders[1].path
    first, second = (folder.path.name for folder in folders)
    assert asked.read_text().split() == [
        "weights:2", f"evaluate:{first}", "weights:4", f"evaluate:{second}"
    ]  # fmt: skip
    assert all(map(is_evaluated, [run, run], configs))


def test_what_was_done_before_a_failure_stays(run: RunFolder, told_worker: Told) -> None:
    """As if the first of two had come to its end."""
    configs = [read_config(run.config), read_config(run.config)]
    configs[1].evaluation.seed = 5
    told_worker("143:stopped by SIGTERM")
    _, folders = evaluated_each(run, configs)
    file = folders[0].evaluation_record
    write_record(file, replace(record_of(folders[0]), evaluation=EvaluatedRecord(1.0, 8, 1.0)))
    told_worker("75:out of memory")
    evaluated_each(run, configs)
    assert [record_of(folder).status for folder in folders] == ["finished", "failed"]
    assert record_of(folders[0]).exit_code == 0


def test_the_runs_own_record_stays(run: RunFolder, told_worker: Told) -> None:
    told_worker("75:out of memory")
    before = run.record.read_bytes()
    code, folder = evaluated(run, read_config(run.config))
    record = record_of(folder)
    assert code == 75 and (record.status, record.reason) == ("failed", "out of memory")
    assert run.record.read_bytes() == before
    assert folder.path.name.endswith("_again") and record.differs == []


@pytest.mark.parametrize("code", [2, 65])
def test_a_refused_one_leaves_nothing(code: int, run: RunFolder, told_worker: Told) -> None:
    told_worker(f"{code}:no such split")
    result, folder = evaluated(run, read_config(run.config))
    assert result == code and not folder.path.exists() and not run.report_html.exists()


def test_an_interrupted_one_goes_on_in_its_folder(run: RunFolder, told_worker: Told) -> None:
    config = read_config(run.config)
    config.evaluation.seed = 5
    told_worker("143:stopped by SIGTERM")
    code, first = evaluated(run, config)
    assert code == 143 and record_of(first).status == "interrupted"
    assert not first.report_html.exists()
    other = read_config(run.config)
    other.evaluation.seed = 6
    assert evaluated(run, other)[1] != first
    told_worker("0")
    assert evaluated(run, config) == (0, first) and record_of(first).status == "finished"
    first = renamed(first)
    assert evaluated(run, config)[1] != first, "a finished one is not made again"


def test_one_of_other_weights_is_not_gone_on_with(run: RunFolder, told_worker: Told) -> None:
    config = read_config(run.config)
    config.evaluation.seed = 5
    told_worker("143:stopped by SIGTERM")
    first = renamed(evaluated(run, config)[1])
    run.change_record(training=replace(TRAINING, steps=200))
    told_worker("0")
    assert evaluated(run, config)[1] != first


def test_a_long_name_is_cut_and_plain(run: RunFolder, told_worker: Told) -> None:
    config = read_config(run.config)
    config.evaluation.negative_prompt = "é / .. " * 40
    told_worker("0")
    name = evaluated(run, config)[1].path.name.partition("_")[2].partition("_")[2]
    assert len(name) <= NAME_LENGTH and name.isascii()
    assert "/" not in name and not name.endswith((".", "-"))
