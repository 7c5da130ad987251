import shutil
from pathlib import Path

import pytest

from sdexp.ground.errors import DataError
from sdexp.pages.sweep.facts import read_sweep
from sdexp.pages.sweep.page import write_sweep_report
from tests.pages.sweep_folders import Page, job, make_run, metric, scores, table, write_record
from tests.records import config_text


def test_a_broken_record_of_the_sweep_is_told(sweep: Path) -> None:
    (sweep / "sweep.json").write_text("{")
    with pytest.raises(DataError, match=r"sweep\.json: damaged"):
        write_sweep_report(sweep)


def test_a_folder_of_runs_is_compared_by_its_configurations(tmp_path: Path) -> None:
    day = tmp_path / "2026-11-20"
    make_run(day / "a", 1, scores(kid=metric(30.0)), "1e-3")
    make_run(day / "b", 2, scores(kid=metric(40.0)), "1e-3")
    make_run(day / "c", 1, scores(kid=metric(50.0)), "1e-4").change_record(
        status="failed", exit_code=74, reason="the disk is full"
    )
    for folder in (day, tmp_path):
        write_sweep_report(folder)
        rows = table(folder)
        assert [row["optimizer.lr"] for row in rows] == ["1e-3", "1e-3", "1e-4"]
        assert [row["training.seed"] for row in rows] == ["1", "2", "1"]
        assert rows[2]["reason"] == "the disk is full" and rows[2]["kid/p"] == ""
        assert not {"run_dir", "tracker.mine.name"} & set(rows[0])


def test_what_a_choice_brings_along_has_a_column_too(tmp_path: Path) -> None:
    chosen = {"unet": ("1e-5", "a.Unet"), "lora": ("1e-3", "a.Lora\n  rank: 4")}
    jobs = []
    for number, (name, (lr, kind)) in enumerate(chosen.items()):
        run = make_run(tmp_path / str(number), 1, scores(kid=metric(30.0 + number)), lr)
        run.config.write_text(
            config_text(
                f"finetune:\n  _target_: {kind}\noptimizer:\n  lr: {lr}\ntraining:\n  seed: 1\n"
            )
        )
        jobs.append(job(number, f"finetune={name}", "training.seed=1"))
    write_record(tmp_path, jobs)
    found = read_sweep(tmp_path)
    assert (found.columns, found.implied) == (["finetune"], ["optimizer.lr"])
    assert found.label(found.jobs[1]) == "finetune=lora", "which says what was asked for"
    write_sweep_report(tmp_path)
    assert [row["optimizer.lr"] for row in table(tmp_path)] == ["1e-5", "1e-3"]
    (head, *rows) = Page(tmp_path).tables["jobs"]
    assert head[1:3] == ["finetune", "lr brought along"]
    assert [row[1:3] for row in rows] == [["unet", "1e-5"], ["lora", "1e-3"]]


def test_fields_of_another_class_are_no_columns(tmp_path: Path) -> None:
    for number, text in enumerate(
        ("_target_: sdexp.Lora\n  rank: 4", "_target_: sdexp.Lora\n  rank: 8", "_target_: b.Unet")
    ):
        run = make_run(tmp_path / str(number), 1, None)
        run.config.write_text(config_text(f"finetune:\n  {text}\n"))
    assert read_sweep(tmp_path).columns == ["finetune._target_", "finetune.rank"]
    shutil.rmtree(tmp_path / "1")
    found = read_sweep(tmp_path)
    assert [found.label(one) for one in found.jobs] == ["finetune=Lora", "finetune=Unet"]
