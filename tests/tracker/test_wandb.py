import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import wandb
from PIL import Image

from sdexp.ground.run import RunFolder
from sdexp.tracker.background import Trackers, tracked
from sdexp.tracker.none import Silence
from sdexp.tracker.wandb import Wandb
from tests.records import write_log
from tests.tracker.offline import history, records, staged_files

CONFIG = {"training": {"seed": 0, "tags": ["a", "b"]}, "hub": {"hf_token": "hf_abc"}}


def recipe(mode: str = "auto") -> Wandb:
    return Wandb(project="sdexp", entity=None, group="g", name="n", tags=["t"], mode=mode)


def start(
    run: RunFolder, mode: str = "offline", config: dict[str, Any] | None = None, job: str = "train"
) -> Trackers:
    return Trackers({"wandb": recipe(mode)}, run, config or {}, job)


def wait_for_rows(trackers: Trackers) -> None:
    """Until the thread is connected and has taken what it was given."""
    (one,) = trackers._all
    deadline = time.monotonic() + 30
    while wandb.run is None or one._is_connecting or one._calls:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.3)


@pytest.fixture(autouse=True)
def no_service_left() -> Iterator[None]:
    yield
    wandb.teardown()
    # A run whose service was killed stays there.
    wandb.run = None


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What a person sees; wandb's own logger writes to its file only, but pytest hears it too."""
    ours = [record for record in caplog.records if record.name.startswith("sdexp")]
    return [record.getMessage() for record in ours if record.levelno >= logging.WARNING]


def picture(shade: int) -> Image.Image:
    return Image.new("RGB", (8, 8), (shade, 0, 0))


def test_offline_run_holds_config_losses_pictures_and_table(run: RunFolder) -> None:
    tracker = start(run, config=CONFIG)
    tracker.log_images("validation/pictures", [("a red disc", picture(9))], 0)
    for step in (1, 2, 7):
        tracker.log({"train/loss": 1 / step, "train/lr": 1e-4}, step)
    tracker.log({"validation/loss": 0.25}, 7)
    tracker.log_table("evaluation/pairs", ["prompt", "finetuned"], [["a disc", picture(5)]])
    tracker.close(failed=False)

    (opened,) = (r["run"] for r in records(run) if r["type"] == "run")
    assert opened["config"]["update"]["training"] == CONFIG["training"]
    assert opened["config"]["update"]["hub"] == {}
    assert (opened["project"], opened["run_group"], opened["display_name"]) == ("sdexp", "g", "n")
    assert (opened["job_type"], opened["tags"]) == ("train", ["t"])
    assert opened["run_id"] == (run.wandb / "run_id").read_text()

    rows = history(run)
    assert {step: row["train/loss"] for step, row in rows.items() if step} == {
        1: 1,
        2: 0.5,
        7: 1 / 7,
    }
    assert (rows[7]["train/global_step"], rows[7]["validation/global_step"]) == (7, 7)
    assert rows[7]["validation/loss"] == 0.25
    assert rows[0]["validation/pictures.captions"] == ["a red disc"]
    files = Path(next(run.wandb.glob("offline-run-*"))) / "files"
    (shown,) = rows[0]["validation/pictures.filenames"]
    assert Image.open(files / shown).getpixel((0, 0)) == (9, 0, 0)
    assert (rows[7]["evaluation/pairs.nrows"], rows[7]["evaluation/pairs.ncols"]) == (1, 2)
    staged = staged_files(run)
    table = json.loads(staged["evaluation/pairs.table.json"].read_text())
    assert table["columns"] == ["prompt", "finetuned"]
    text, cell = table["data"][0]
    assert text == "a disc"
    assert Image.open(staged[cell["path"]]).getpixel((0, 0)) == (5, 0, 0)


def test_a_lagging_step_keeps_its_value_and_its_step(run: RunFolder) -> None:
    tracker = start(run)
    tracker.log({"train/loss": 0.5}, 10)
    tracker.log({"validation/loss": 0.25}, 6)
    tracker.close(failed=False)
    row = history(run)[10]
    assert (row["train/loss"], row["train/global_step"]) == (0.5, 10)
    assert (row["validation/loss"], row["validation/global_step"]) == (0.25, 6)
    axes = {
        r["metric"]["glob_name"]: r["metric"]["step_metric"]
        for r in records(run)
        if r["type"] == "metric" and "glob_name" in r["metric"]
    }
    assert axes == {
        "train/*": "train/global_step",
        "validation/*": "validation/global_step",
    }


def test_the_evaluation_goes_on_in_the_run_of_the_training(run: RunFolder) -> None:
    start(run).close(failed=False)
    write_log(run.log, [{"step": 30}])
    time.sleep(1.1)  # W&B names its folders by the second.
    tracker = start(run, job="evaluate")
    tracker.log_table("evaluation/pairs", ["a"], [[1], [None], [0.5]])
    tracker.close(failed=False)
    assert len({r["run"]["run_id"] for r in records(run) if r["type"] == "run"}) == 1
    assert list(history(run)) == [30]


def test_without_a_key_one_line_says_offline_and_how_to_sync(
    run: RunFolder, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    for mode in ("auto", "online"):
        caplog.clear()
        tracker = start(run, mode)
        tracker.log({"train/loss": 1.0}, 1)
        tracker.close(failed=False)
        (line,) = warnings(caplog)
        assert "offline" in line
        assert "no key" in line
        folder = line.rpartition("`wandb sync ")[2].rstrip("`")
        assert list(Path(folder).glob("*.wandb"))
    printed = capfd.readouterr()
    assert "wandb:" not in printed.out + printed.err


def test_wandb_mode_decides_for_auto(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_MODE", "offline")
    start(run, "auto").close(failed=False)
    assert list(run.wandb.glob("offline-run-*/*.wandb"))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert isinstance(recipe().start(run, {}, "train", is_cut_off=False), Silence)
    # Who asks for offline need not be told.
    assert warnings(caplog) == []


def test_what_wandb_refuses_to_load_switches_it_off(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_MODE", "sideways")
    tracker = start(run, "auto")
    tracker.log({"train/loss": 1.0}, 1)
    tracker.close(failed=False)
    (line,) = warnings(caplog)
    assert "wandb: off (WANDB_MODE=sideways" in line


def test_a_malformed_key_means_offline(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "short")
    start(run, "auto").close(failed=False)
    (line,) = warnings(caplog)
    assert "offline" in line
    assert "API key" in line


def test_a_killed_service_warns_once_and_the_run_goes_on(
    run: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = start(run)
    tracker.log({"train/loss": 1.0}, 1)
    wait_for_rows(tracker)
    kill_service()
    for step in range(2, 6):
        tracker.log({"train/loss": 1.0}, step)
        tracker.log_images("validation/pictures", [("a", picture(1))], step)
        time.sleep(0.1)
    tracker.log_table("evaluation/pairs", ["a"], [[1]])
    tracker.close(failed=False)
    (line,) = warnings(caplog)
    assert "wandb: stopped" in line
    assert str(run.log) in line


def test_a_service_killed_before_close_does_not_raise(
    run: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = start(run)
    wait_for_rows(tracker)
    kill_service()
    tracker.close(failed=False)
    assert len(warnings(caplog)) == 1


def test_a_table_that_wandb_refuses_does_not_stop_the_run(
    run: RunFolder, caplog: pytest.LogCaptureFixture
) -> None:
    tracker = start(run)
    tracker.log_table("evaluation/pairs", ["a"], [[1], ["text"]])
    tracker.close(failed=False)
    assert len(warnings(caplog)) == 1


def kill_service() -> None:
    children = psutil.Process().children(recursive=True)
    services = [child for child in children if "wandb-core" in " ".join(child.cmdline())]
    assert services
    for service in services:
        service.kill()
    psutil.wait_procs(services, timeout=10)


def test_a_new_run_does_not_write_into_one_that_was_not_closed(
    run: RunFolder, tmp_path: Path
) -> None:
    other = RunFolder(tmp_path / "other")
    other.path.mkdir()
    first = start(run)
    first.log({"train/loss": 1.0}, 1)
    wait_for_rows(first)
    second = start(other)
    second.log({"train/loss": 2.0}, 1)
    second.close(failed=False)
    assert history(run)[1]["train/loss"] == 1
    assert history(other)[1]["train/loss"] == 2


def test_a_run_that_ends_with_an_exception_is_marked_as_failed(run: RunFolder) -> None:
    with pytest.raises(KeyError), tracked({"wandb": recipe("offline")}, run, {}, "sweep"):
        raise KeyError
    assert [r["exit"]["exit_code"] for r in records(run) if r["type"] == "exit"] == [1]


def test_the_pictures_of_a_table_stay_in_the_run_folder(run: RunFolder) -> None:
    before = dict(os.environ)
    tracker = start(run)
    tracker.log_table("evaluation/pairs", ["a"], [[picture(3)]])
    tracker.close(failed=False)
    staged = staged_files(run)
    assert len(staged) == 2
    assert all(file.is_relative_to(run.wandb) for file in staged.values())
    assert [path for path in Path.home().rglob("*") if path.is_file()] == []
    # Neither these folders nor wandb's process are handed down to other runs.
    assert dict(os.environ) == before


@pytest.mark.parametrize(("key", "value"), [("mode", "sometimes"), ("project", " ")])
def test_a_value_out_of_range_is_named(key: str, value: str) -> None:
    values: dict[str, Any] = {"project": "p", "mode": "auto", key: value}
    with pytest.raises(ValueError, match=f"tracker.wandb.{key}={value}"):
        Wandb(entity=None, group=None, name=None, tags=[], **values)
