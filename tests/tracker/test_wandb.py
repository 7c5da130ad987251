import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import wandb
from PIL import Image

from sdexp.ground.errors import ConfigError
from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.records import Shipped
from sdexp.ground.run import RunFolder
from sdexp.tracker.base import Ending, Followed
from sdexp.tracker.follow import Follower
from sdexp.tracker.wandb import Wandb
from tests.tracker.folders import evaluate, log, show
from tests.tracker.offline import history, records, staged_files
from tests.tracker.wandb_server import Held

CONFIG = {"training": {"seed": 0, "tags": ["a", "b"]}, "hub": {"hf_token": "hf_abc"}}


def recipe(mode: str = "auto", name: str | None = "n") -> Wandb:
    return Wandb(project="sdexp", entity=None, group="g", name=name, tags=["t"], mode=mode)


def follower(
    run: RunFolder, mode: str = "offline", name: str | None = "n", job_type: str = "train"
) -> Follower:
    active = recipe(mode, name).start(Followed(run, CONFIG, job_type, Ending()))
    assert active is not None
    return Follower(run, "wandb", active)


def ship(run: RunFolder, mode: str = "offline", failed: bool = False, **changes: Any) -> None:
    """What the follower of a command does that has ended."""
    one = follower(run, mode, **changes)
    one.look(is_over=not failed)
    one.close(failed)
    wandb.teardown()


@pytest.fixture(autouse=True)
def no_service_left() -> Iterator[None]:
    yield
    wandb.teardown()


def test_offline_run_holds_config_losses_pictures_and_table(run: RunFolder) -> None:
    show(run, 0, "a red disc")
    for step in (1, 2, 7):
        log(run, "train", step, loss=1 / step, lr=1e-4)
    show(run, 7, "a red disc")
    log(run, "validation", 7, loss=0.25)
    evaluate(run, 3.0)
    ship(run)

    (opened,) = (r["run"] for r in records(run) if r["type"] == "run")
    assert opened["config"]["update"]["training"] == CONFIG["training"]
    assert opened["config"]["update"]["hub"] == {}
    assert (opened["project"], opened["run_group"], opened["display_name"]) == ("sdexp", "g", "n")
    assert (opened["job_type"], opened["tags"]) == ("train", ["t"])
    assert opened["run_id"] == (run.wandb / "run_id").read_text()

    rows = history(run)
    losses = {step: row["train/loss"] for step, row in rows.items() if step}
    assert losses == {1: 1, 2: 0.5, 7: 1 / 7}
    assert (rows[7]["train/global_step"], rows[7]["validation/global_step"]) == (7, 7)
    assert rows[7]["validation/loss"] == 0.25
    for step in (0, 7):
        assert rows[step]["validation/pictures.captions"] == ["a red disc"]
    files = Path(next(run.wandb.glob("offline-run-*"))) / "files"
    (shown,) = rows[0]["validation/pictures.filenames"]
    assert Image.open(files / shown).getpixel((0, 0)) == (9, 0, 0)
    assert rows[7]["evaluation/kid/finetuned"] == 3.0
    assert (rows[7]["evaluation/pairs.nrows"], rows[7]["evaluation/pairs.ncols"]) == (1, 6)
    staged = staged_files(run)
    table = json.loads(staged["evaluation/pairs.table.json"].read_text())
    assert table["columns"][:4] == ["prompt", "replicate", "original", "finetuned"]
    text, _, _, cell, *_ = table["data"][0]
    assert text == "a disc"
    assert Image.open(staged[cell["path"]]).getpixel((0, 0)) == (1, 0, 0)


def test_the_verdict_is_in_the_summary_and_the_page_is_a_page(run: RunFolder) -> None:
    log(run, "train", 7, loss=0.5)
    evaluate(run, 3.0)
    run.report_html.write_text("<p>the report</p>")
    ship(run)
    told: dict[str, Any] = {}
    for record in records(run):
        if record["type"] == "summary":
            told |= record["summary"]["update"]
    assert told["evaluation/verdict"] == "better" and told["evaluation/primary"] == "kid"
    rows = history(run)
    assert rows[7]["train/epoch"] == 0.1
    files = Path(next(run.wandb.glob("offline-run-*"))) / "files"
    assert (files / rows[7]["report.path"]).read_text() == "<p>the report</p>"


def test_a_lagging_step_keeps_its_value_and_its_step(run: RunFolder) -> None:
    log(run, "train", 10, loss=0.5)
    log(run, "validation", 6, loss=0.25)
    log(run, "validation", 7, loss=0.125)
    ship(run)
    row = history(run)[10]
    assert (row["train/loss"], row["train/global_step"]) == (0.5, 10)
    assert (row["validation/loss"], row["validation/global_step"]) == (0.25, 6)
    row = history(run)[11]
    assert (row["validation/loss"], row["validation/global_step"]) == (0.125, 7)
    axes = {
        r["metric"]["glob_name"]: r["metric"]["step_metric"]
        for r in records(run)
        if r["type"] == "metric" and "glob_name" in r["metric"]
    }
    assert axes == {
        "train/*": "train/global_step",
        "validation/*": "validation/global_step",
    }


def test_later_commands_add_segments_to_the_same_run(run: RunFolder) -> None:
    """None holds what another does, and each says that it is to be added."""
    log(run, "train", 30, loss=0.5)
    ship(run)
    evaluate(run, 3.0)
    ship(run)
    evaluate(run, 4.0, "later")
    ship(run)
    told = records(run)
    facts = [record["run"] for record in told if record["type"] == "run"]
    assert len({one["run_id"] for one in facts}) == 1
    assert [(one["resume"], one["job_type"]) for one in facts] == [(True, "train")] * 3
    found = [row for row in told if row["type"] == "history"]
    keys = [{key.split("/")[0] for key in row["history"]["item"] if "/" in key} for row in found]
    assert keys == [{"train"}, {"evaluation"}, {"evaluations"}]


def test_segments_do_not_erase_each_other_when_they_are_sent(
    run: RunFolder, server: Held, capfd: pytest.CaptureFixture[str]
) -> None:
    for steps in (range(1, 4), range(4, 7), range(7, 9)):
        for step in steps:
            log(run, "train", step, loss=1 / step)
        ship(run)
    segments = sorted(map(str, run.wandb.glob("offline-run-*")))
    assert len(segments) == 3
    command = [sys.executable, "-m", "wandb", "sync", *reversed(segments)]
    subprocess.run(command, check=True, capture_output=True)
    assert server.steps() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert server.exit_codes == [0, 0, 0]


def test_a_server_that_is_well_gets_the_run(
    run: RunFolder, server: Held, capfd: pytest.CaptureFixture[str]
) -> None:
    log(run, "train", 1, loss=0.5)
    log(run, "train", 2, loss=0.25)
    ship(run, "auto")
    assert server.steps() == [1, 2] and server.exit_codes == [0]
    assert (server.run["displayName"], server.run["groupName"]) == ("n", "g")
    # A step that the server has passed is added all the same.
    log(run, "validation", 2, loss=1.0)
    log(run, "train", 3, loss=0.125)
    ship(run, "auto", failed=True)
    assert server.steps() == [1, 2, 3] and server.exit_codes == [0, 1]
    assert server.steps("validation") == [2]
    assert capfd.readouterr().err == ""
    assert not list(run.wandb.glob("offline-run-*"))


def test_parts_that_wait_are_named_when_the_server_is_back(
    run: RunFolder, server: Held, capfd: pytest.CaptureFixture[str]
) -> None:
    log(run, "train", 1, loss=0.5)
    ship(run)
    log(run, "train", 2, loss=0.25)
    ship(run, "auto")
    assert server.steps() == [2]
    (line,) = capfd.readouterr().err.splitlines()
    assert line.endswith(f"wait here; send them with `wandb sync {run.wandb}/offline-run-*`")


def test_the_server_says_what_a_killed_follower_has_sent(run: RunFolder, server: Held) -> None:
    log(run, "train", 1, loss=0.5)
    ship(run, "auto")
    noted = read_record(run.wandb / "shipped.json", Shipped)
    log(run, "train", 2, loss=0.25)
    ship(run, "auto")
    write_record(run.wandb / "shipped.json", noted)
    log(run, "train", 3, loss=0.125)
    ship(run, "auto")
    assert server.steps() == [1, 2, 3]
    assert [row["train/loss"] for row in server.rows] == [0.5, 0.25, 0.125]


def test_who_is_not_let_in_goes_on_offline(
    run: RunFolder, server: Held, capfd: pytest.CaptureFixture[str]
) -> None:
    server.refuses = {"UpsertBucket"}
    log(run, "train", 1, loss=0.5)
    ship(run, "auto")
    (line,) = capfd.readouterr().err.splitlines()
    assert "offline (" in line and "not for you" in line
    assert history(run)[1]["train/loss"] == 0.5


def test_an_unfinished_segment_is_shipped_again(run: RunFolder) -> None:
    log(run, "train", 1, loss=0.5)
    follower(run).look()
    assert len(list(run.wandb.glob("offline-run-*"))) == 1
    log(run, "train", 2, loss=0.25)
    wandb.teardown()
    ship(run)
    assert len(list(run.wandb.glob("offline-run-*"))) == 1
    assert {step: row["train/loss"] for step, row in history(run).items()} == {1: 0.5, 2: 0.25}


def test_an_unfinished_segment_that_was_sent_is_kept(run: RunFolder) -> None:
    ship_nothing = Shipped(unfinished="offline-run-20261120_140311-abc")
    segment = run.wandb / ship_nothing.unfinished
    segment.mkdir(parents=True)
    (segment / "run-abc.wandb.synced").touch()
    write_record(run.wandb / "shipped.json", ship_nothing)
    log(run, "train", 1, loss=0.5)
    ship(run)
    assert segment.is_dir()


def test_without_a_key_one_line_says_offline_and_how_to_sync(
    run: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    for step, mode in enumerate(("auto", "online"), start=1):
        log(run, "train", step, loss=1.0)
        ship(run, mode)
        printed = capfd.readouterr()
        (line,) = printed.err.splitlines()
        assert line.startswith("warning: wandb: offline (no key")
        assert line.endswith(f"`wandb sync {run.path}/wandb/offline-run-*`")
        assert printed.out == ""
    pattern = line.rpartition("/")[2].rstrip("`")
    assert len(list(run.wandb.glob(pattern))) == 2


def test_a_sweep_names_the_segments_of_its_jobs(
    tmp_path: Path, run: RunFolder, capfd: pytest.CaptureFixture[str]
) -> None:
    spaced = RunFolder(run.path.rename(tmp_path / "my sweep"))
    log(spaced, "train", 1, loss=1.0)
    ship(spaced, "auto", job_type="sweep")
    place = f"'{tmp_path}/my sweep'"
    own, jobs = f"{place}/wandb/offline-run-*", f"{place}/*/wandb/offline-run-*"
    assert capfd.readouterr().err.endswith(f"`wandb sync {own} {jobs}`\n")


def test_a_run_without_a_name_has_that_of_its_folder(run: RunFolder) -> None:
    log(run, "train", 1, loss=1.0)
    ship(run, name=None)
    (opened,) = (r["run"] for r in records(run) if r["type"] == "run")
    assert opened["display_name"] == "run"


def test_wandb_mode_decides_for_auto(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_MODE", "dryrun")
    log(run, "train", 1, loss=1.0)
    ship(run, "auto")
    assert list(run.wandb.glob("offline-run-*/*.wandb"))
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert recipe().start(Followed(run, {}, "train", Ending())) is None
    # Who asks for offline need not be told.
    assert capfd.readouterr().err == ""


def test_a_mode_that_is_none_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "sideways")
    with pytest.raises(ConfigError, match="WANDB_MODE=sideways: allowed is run | dryrun | online"):
        recipe().wanted_mode()
    assert recipe("offline").wanted_mode() == "offline"


def test_a_malformed_key_means_offline(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "short")
    log(run, "train", 1, loss=1.0)
    ship(run, "auto")
    (line,) = capfd.readouterr().err.splitlines()
    assert "offline (" in line and "API key" in line


def test_a_run_that_ends_with_an_error_is_marked_as_failed(run: RunFolder) -> None:
    log(run, "train", 1, loss=1.0)
    ship(run, failed=True)
    assert [r["exit"]["exit_code"] for r in records(run) if r["type"] == "exit"] == [1]


def test_the_pictures_of_a_table_stay_in_the_run_folder(run: RunFolder) -> None:
    evaluate(run, 3.0)
    ship(run)
    staged = staged_files(run)
    assert len(staged) == 3
    assert all(file.is_relative_to(run.wandb) for file in staged.values())
    assert [path for path in Path.home().rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(("key", "value"), [("mode", "sometimes"), ("project", " ")])
def test_a_value_out_of_range_is_named(key: str, value: str) -> None:
    values: dict[str, Any] = {"project": "p", "mode": "auto", key: value}
    with pytest.raises(ValueError, match=f"tracker.wandb.{key}={value}"):
        Wandb(entity=None, group=None, name=None, tags=[], **values)
