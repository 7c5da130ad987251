import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sdexp.ground.log import cut_after
from sdexp.ground.run import RunFolder
from sdexp.tracker.background import Trackers, tracked
from sdexp.tracker.tensorboard import TensorBoard
from tests.records import write_log

CONFIG = {"training": {"seed": 7, "a|b": "x\ny"}, "hub": {"api_key": "very-secret-value"}}


def start(run: RunFolder, job: str = "train", config: dict[str, Any] | None = None) -> Trackers:
    return Trackers({"tensorboard": TensorBoard()}, run, config or {}, job)


def shown(run: RunFolder, job: str = "train") -> EventAccumulator:
    """What a person sees: every event of the job's folder that is still valid."""
    keep_all = dict.fromkeys(("scalars", "tensors", "images"), 0)
    events = EventAccumulator(str(run.path / "tensorboard" / job), size_guidance=keep_all)
    events.Reload()
    return events


def scalars(events: EventAccumulator, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events.Scalars(name)]


def texts(events: EventAccumulator, name: str) -> list[tuple[int, str]]:
    found = events.Tensors(name)
    return [(event.step, event.tensor_proto.string_val[0].decode()) for event in found]


def pictures(events: EventAccumulator, name: str) -> list[tuple[int, Image.Image]]:
    found = events.Images(name)
    return [(event.step, Image.open(io.BytesIO(event.encoded_image_string))) for event in found]


def picture(shade: int) -> Image.Image:
    return Image.new("RGB", (8, 6), (shade, 0, 0))


def test_scalars_stand_at_their_own_steps(run: RunFolder) -> None:
    trackers = start(run)
    for step in (1, 2, 10):
        trackers.log({"train/loss": 1 / step, "train/grad_norm": 2.0}, step)
    trackers.log({"validation/loss": 0.25}, 6)
    trackers.close(failed=False)
    events = shown(run)
    assert scalars(events, "train/loss") == [(1, 1.0), (2, 0.5), (10, pytest.approx(0.1))]
    assert scalars(events, "validation/loss") == [(6, 0.25)]


def test_pictures_come_with_their_captions(run: RunFolder) -> None:
    trackers = start(run)
    shots = [("a red disc", picture(9)), ("a | b", picture(5))]
    trackers.log_images("validation/pictures", shots, 4)
    trackers.close(failed=False)
    events = shown(run)
    for number, shade in enumerate((9, 5)):
        ((step, image),) = pictures(events, f"validation/pictures/{number}")
        assert (step, image.size, image.getpixel((0, 0))) == (4, (8, 6), (shade, 0, 0))
    captions = "validation/pictures/captions"
    assert texts(events, captions) == [(4, "- 0: a red disc\n- 1: a \\| b")]
    assert events.SummaryMetadata(captions).plugin_data.plugin_name == "text"


def test_a_table_is_text_with_its_pictures_beside_it(run: RunFolder) -> None:
    write_log(run.log, [{"step": 30}])
    with tracked({"tensorboard": TensorBoard()}, run, {}, "evaluate") as trackers:
        trackers.log_table("pairs", ["prompt", "made"], [["a disc", picture(3)], ["b", None]])
    events = shown(run, "evaluate")
    lines = ["| prompt | made |", "|---|---|", "| a disc | picture 0 |", "| b | None |"]
    assert texts(events, "pairs") == [(30, "\n".join(lines))]
    ((step, image),) = pictures(events, "pairs/made/0")
    assert (step, image.getpixel((0, 0))) == (30, (3, 0, 0))


def test_the_configuration_is_flat_and_without_secrets(run: RunFolder) -> None:
    start(run, config=CONFIG).close(failed=False)
    ((step, text),) = texts(shown(run), "config")
    assert step == 0
    assert text.splitlines()[2:] == ["| training.seed | 7 |", "| training.a\\|b | x y |"]
    assert b"very-secret" not in b"".join(
        file.read_bytes() for file in run.path.rglob("*tfevents*")
    )


Tell = Callable[[str, int, float], None]


def stage(run: RunFolder, looks: dict[int, float], steps: range, value: float) -> None:
    """Part of a training as the trainer tells it: to the log and to the tracker."""
    trackers = start(run)

    def tell(split: str, step: int, value: float) -> None:
        facts = {"step": step, "epoch": 0.0, "split": split, "name": "loss", "value": value}
        write_log(run.log, [facts])
        trackers.log({f"{split}/loss": value}, step)

    for step in (min(steps) - 1, *steps):
        if step in steps:
            tell("train", step, value)
        if step in looks:
            tell("validation", step, looks[step])
            trackers.log_images("validation/pictures", [("a", picture(step))], step)
    trackers.close(failed=False)


@pytest.mark.parametrize("looked", [3, 4])
def test_a_resumed_run_shows_each_step_once(run: RunFolder, looked: int) -> None:
    """Killed at step 6, resumed from a checkpoint of step 4, before or after the look at it."""
    stage(run, {0: 9.0, 2: 8.0, 4: 7.0, 6: 6.0}, range(1, 7), 1.0)
    cut_after(run.log, 4, looked)
    again = {4: 7.5} if looked < 4 else {}
    stage(run, again | {6: 5.0}, range(5, 9), 2.0)
    events = shown(run)
    assert scalars(events, "train/loss") == [(s, 1.0 if s <= 4 else 2.0) for s in range(1, 9)]
    fourth = 7.5 if again else 7.0
    assert scalars(events, "validation/loss") == [(0, 9.0), (2, 8.0), (4, fourth), (6, 5.0)]
    assert [step for step, _ in pictures(events, "validation/pictures/0")] == [0, 2, 4, 6]
    assert len({step for step, _ in texts(events, "config")}) == 2


def test_a_run_that_starts_over_shows_nothing_old(run: RunFolder) -> None:
    stage(run, {0: 9.0}, range(1, 4), 1.0)
    cut_after(run.log, -1, -1)
    stage(run, {0: 8.0}, range(1, 3), 2.0)
    events = shown(run)
    assert scalars(events, "train/loss") == [(1, 2.0), (2, 2.0)]
    assert scalars(events, "validation/loss") == [(0, 8.0)]


def test_an_evaluation_replaces_the_one_before(run: RunFolder) -> None:
    for value in (1.0, 2.0):
        trackers = start(run, "evaluate")
        trackers.log({"evaluation/kid": value}, 7)
        trackers.close(failed=False)
    assert scalars(shown(run, "evaluate"), "evaluation/kid") == [(7, 2.0)]
