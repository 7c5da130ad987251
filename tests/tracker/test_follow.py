"""What a follower ships of a folder, whatever the tracker."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdexp.ground.log import cut_after
from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.records import EvaluationRecord, RunRecord, Shipped, ToldRecord
from sdexp.ground.run import RunFolder
from sdexp.tracker.base import ActiveTracker
from sdexp.tracker.follow import Follower
from tests.tracker.folders import evaluate, log, show


class Memory(ActiveTracker):
    """Keeps what it hears; `replaces` as TensorBoard does, else as W&B."""

    def __init__(self, run: RunFolder, replaces: bool = False) -> None:
        self.folder = run.path / "memory"
        self.replaces = replaces
        self.heard: list[Any] = []
        self.epochs: dict[str, float] = {}
        self.words: dict[str, str] = {}
        self.pages: list[tuple[str, str]] = []

    def open(self, shipped: Shipped) -> tuple[Shipped, str]:
        self.heard.append("open")
        return replace(shipped, unfinished="part"), ""

    def rewind(self, step: int) -> bool:
        if self.replaces:
            self.heard.append(f"rewind {step}")
        return self.replaces

    def log(self, values: dict[str, float], step: int) -> None:
        self.epochs |= {name: v for name, v in values.items() if name.endswith("/epoch")}
        told = {name: v for name, v in values.items() if not name.endswith("/epoch")}
        self.heard.append((step, told))

    def log_images(self, name: str, images: list[tuple[str, Image.Image]], step: int) -> None:
        self.heard.append((step, name, [(text, image.getpixel((0, 0))) for text, image in images]))

    def log_table(self, name: str, columns: list[str], rows: list[list[Any]], step: int) -> None:
        self.heard.append((step, name, columns, len(rows)))

    def log_words(self, words: dict[str, str], step: int) -> None:
        self.words |= words

    def log_page(self, name: str, page: Path, step: int) -> None:
        self.pages.append((name, page.read_text()))

    def flush(self) -> bool:
        return self.replaces

    def close(self, failed: bool) -> None:
        self.heard.append("failed" if failed else "well")


def ship(run: RunFolder, replaces: bool = False, failed: bool = False) -> list[Any]:
    """What a command that only looks once tells its tracker."""
    memory = Memory(run, replaces)
    follower = Follower(run, "memory", memory)
    follower.look(is_over=not failed)
    follower.close(failed)
    return memory.heard


def shown(step: int, *captions: str) -> tuple[Any, ...]:
    pictures = [(text, (9 - number, 0, 0)) for number, text in enumerate(captions)]
    return (step, "validation/pictures", pictures)


def test_numbers_and_pictures_come_in_their_order(run: RunFolder) -> None:
    show(run, 0, "a", "b")
    log(run, "validation", 0, loss=9.0)
    log(run, "train", 1, loss=0.5, rate=0.1)
    log(run, "train", 2, loss=0.25)
    show(run, 2, "a")
    assert ship(run) == [
        "open",
        (0, {"validation/loss": 9.0}),
        shown(0, "a"),
        (1, {"train/loss": 0.5, "train/rate": 0.1}),
        (2, {"train/loss": 0.25}),
        shown(2, "a"),
        "well",
    ]


def told(run: RunFolder) -> Memory:
    memory = Memory(run)
    follower = Follower(run, "memory", memory)
    follower.look(is_over=True)
    follower.close(failed=False)
    return memory


def test_the_epoch_the_verdict_and_the_pages_are_told(run: RunFolder) -> None:
    log(run, "train", 1, loss=0.5)
    evaluate(run, 7.0)
    evaluate(run, 6.0, "later")
    run.report_html.write_text("first")
    memory = told(run)
    assert memory.epochs == {"train/epoch": 0.1} and memory.pages == [("report", "first")]
    assert memory.words["evaluation/verdict"] == memory.words["evaluation/kid/verdict"] == "better"
    assert memory.words["evaluations/later/primary"] == "kid"
    # A page that was written again is told again, and one that was not is not.
    run.evaluation("later").report_html.write_text("beside")
    assert told(run).pages == [("evaluations/later/report", "beside")]
    run.report_html.write_text("second")
    assert told(run).pages == [("report", "second")]


def test_pictures_wait_until_the_log_has_passed_them(run: RunFolder) -> None:
    """Until then they may be half written, or those of a run that was cut back."""
    memory = Memory(run)
    follower = Follower(run, "memory", memory)
    log(run, "train", 1, loss=0.5)
    show(run, 1, "a")
    follower.look()
    assert memory.heard == ["open", (1, {"train/loss": 0.5})]
    log(run, "train", 2, loss=0.5)
    follower.look()
    assert memory.heard[2:] == [shown(1, "a"), (2, {"train/loss": 0.5})]
    show(run, 2, "a")
    follower.look()
    log(run, "validation", 2, loss=1.0)
    follower.look()
    assert memory.heard[4:] == [(2, {"validation/loss": 1.0}), shown(2, "a")]


@pytest.mark.parametrize("replaces", [False, True])
def test_nothing_is_told_twice_and_nothing_is_left_out(run: RunFolder, replaces: bool) -> None:
    log(run, "train", 1, loss=0.5)
    show(run, 1, "a")
    evaluate(run, 7.0)
    ship(run, replaces)
    assert ship(run, replaces) == []
    log(run, "train", 2, loss=0.25)
    evaluate(run, 6.0, "later")
    heard = [one for one in ship(run, replaces) if not str(one).startswith("rewind")]
    names = ("original", "finetuned", "difference", "p", "ci95_low", "ci95_high")
    numbers = dict(zip((100.0, 6.0, -94.0, 0.001, -95.0, -93.0), names, strict=True))
    columns = ["prompt", "replicate", "original", "finetuned", "kid original", "kid finetuned"]
    assert heard == [
        "open",
        (2, {"train/loss": 0.25}),
        (2, {f"evaluations/later/kid/{name}": value for value, name in numbers.items()}),
        (2, "evaluations/later/pairs", columns, 1),
        "well",
    ]


def test_an_evaluation_counts_once_it_is_whole(run: RunFolder) -> None:
    evaluate(run, 6.0, "later")
    file = run.evaluation("later").evaluation_record
    whole = read_record(file, EvaluationRecord)
    write_record(file, replace(whole, evaluation=None))
    assert ship(run) == []
    write_record(file, whole)
    assert len(ship(run)) == 4


def test_an_evaluation_set_aside_is_told_by_its_new_name(run: RunFolder) -> None:
    log(run, "train", 2, loss=0.5)
    evaluate(run, 7.0)
    ship(run)
    evaluate(run, 7.0, "steps-2")
    evaluate(run, 5.0)
    groups = [next(iter(one[1])) for one in ship(run) if isinstance(one[1], dict)]
    assert groups == ["evaluation/kid/original", "evaluations/steps-2/kid/original"]


def cut_back(run: RunFolder) -> None:
    """A run that was killed at step 6, goes on from step 4, and has other numbers there."""
    for step in range(1, 7):
        log(run, "train", step, loss=1.0)
    log(run, "validation", 6, loss=1.0)
    show(run, 6, "a")


def regrow(run: RunFolder) -> None:
    cut_after(run.log, 4, 4)
    for step in range(5, 8):
        log(run, "train", step, loss=2.0)


@pytest.mark.parametrize("is_one_command", [False, True])
@pytest.mark.parametrize("replaces", [False, True])
def test_steps_that_come_again(run: RunFolder, replaces: bool, is_one_command: bool) -> None:
    """They replace the old ones where the tracker can, and are left out where it cannot."""
    memory = Memory(run, replaces)
    follower = Follower(run, "memory", memory)
    cut_back(run)
    follower.look()
    if not is_one_command:
        follower.close(failed=False)
        memory = Memory(run, replaces)
        follower = Follower(run, "memory", memory)
    memory.heard.clear()
    regrow(run)
    follower.look()
    told = [one for one in memory.heard if one != "open"]
    seventh = (7, {"train/loss": 2.0})
    if replaces:
        # The picture of step 6 is shipped again with the step before the seventh.
        steps = [(step, {"train/loss": 2.0}) for step in (5, 6)]
        assert told == ["rewind 5", *steps, shown(6, "a"), seventh]
    else:
        assert told == [seventh]


@pytest.mark.parametrize("is_replaced", [False, True])
def test_a_killed_follower_has_only_shipped_what_it_noted(
    run: RunFolder, is_replaced: bool
) -> None:
    memory = Memory(run, is_replaced)
    follower = Follower(run, "memory", memory)
    log(run, "train", 1, loss=0.5)
    follower.look()
    log(run, "train", 2, loss=0.5)
    assert read_record(memory.folder / "shipped.json", Shipped).unfinished == "part"
    first = [] if is_replaced else [(1, {"train/loss": 0.5})]
    heard = [one for one in ship(run, is_replaced) if not str(one).startswith("rewind")]
    assert heard == ["open", *first, (2, {"train/loss": 0.5}), "well"]
    assert read_record(memory.folder / "shipped.json", Shipped).unfinished == ""


def test_a_row_that_is_half_written_waits(run: RunFolder) -> None:
    memory = Memory(run)
    follower = Follower(run, "memory", memory)
    log(run, "train", 1, loss=0.5, rate=0.1)
    whole = run.log.read_bytes()
    first, second = whole.splitlines(keepends=True)
    run.log.write_bytes(first + second[:20])
    follower.look()
    with run.log.open("ab") as file:
        file.write(second[20:])
    follower.look()
    assert memory.heard == ["open", (1, {"train/loss": 0.5}), (1, {"train/rate": 0.1})]


def test_a_command_that_may_be_refused_ships_nothing(run: RunFolder) -> None:
    log(run, "train", 1, loss=0.5)
    write_record(run.pending_record, RunRecord())
    assert ship(run) == []
    run.pending_record.unlink()
    assert len(ship(run)) == 3


def test_the_end_of_a_command_is_passed_on(run: RunFolder) -> None:
    log(run, "train", 1, loss=0.5)
    show(run, 1, "a")
    assert ship(run, failed=True)[1:] == [(1, {"train/loss": 0.5}), "failed"]
    assert ship(run) == ["open", shown(1, "a"), "well"]


def test_a_sweep_tells_its_table(run: RunFolder) -> None:
    write_record(run.told, ToldRecord({}, {}, "runs", ["a", "b"], [[1, "x"], [None, 2.5]]))
    assert ship(run) == ["open", (0, "runs", ["a", "b"], 2), "well"]
    assert ship(run) == []
    write_record(run.told, ToldRecord({}, {}, "runs", ["a", "b"], [[1, "x"]]))
    assert ship(run)[1] == (0, "runs", ["a", "b"], 1)
