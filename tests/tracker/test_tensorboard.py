import io
import time

import pytest
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from sdexp.ground.log import cut_after
from sdexp.ground.record_files import write_record
from sdexp.ground.records import ToldRecord
from sdexp.ground.run import RunFolder
from sdexp.tracker.base import Ending, Followed
from sdexp.tracker.follow import Follower
from sdexp.tracker.tensorboard import TensorBoard
from tests.tracker.folders import evaluate, log, show

CONFIG = {"training": {"seed": 7, "a|b": "x\ny"}, "hub": {"api_key": "very-secret-value"}}


def ship(run: RunFolder, job_type: str = "train") -> None:
    """What the follower of a command does that has ended."""
    active = TensorBoard().start(Followed(run, CONFIG, job_type, Ending()))
    follower = Follower(run, "tensorboard", active)
    follower.look(is_over=True)
    follower.close(failed=False)


def shown(run: RunFolder, place: str = "train") -> EventAccumulator:
    """What a person sees: every event of a folder that is still valid."""
    keep_all = dict.fromkeys(("scalars", "tensors", "images"), 0)
    events = EventAccumulator(str(run.tensorboard / place), size_guidance=keep_all)
    events.Reload()
    return events


def scalars(events: EventAccumulator, name: str) -> list[tuple[int, float]]:
    return [(event.step, event.value) for event in events.Scalars(name)]


def texts(events: EventAccumulator, name: str) -> list[tuple[int, str]]:
    found = events.Tensors(f"{name}/text_summary")
    return [(event.step, event.tensor_proto.string_val[0].decode()) for event in found]


def pictures(events: EventAccumulator, name: str) -> list[tuple[int, Image.Image]]:
    found = events.Images(name)
    return [(event.step, Image.open(io.BytesIO(event.encoded_image_string))) for event in found]


def test_scalars_stand_at_their_own_steps(run: RunFolder) -> None:
    for step in (1, 2, 10):
        log(run, "train", step, loss=1 / step, grad_norm=2.0)
    log(run, "validation", 10, loss=0.25)
    ship(run)
    events = shown(run)
    assert scalars(events, "train/loss") == [(1, 1.0), (2, 0.5), (10, pytest.approx(0.1))]
    assert scalars(events, "validation/loss") == [(10, 0.25)]


def test_pictures_come_with_their_captions(run: RunFolder) -> None:
    log(run, "train", 4, loss=1.0)
    show(run, 4, "a red disc", "a | b")
    ship(run)
    events = shown(run)
    for number, shade in enumerate((9, 8)):
        ((step, image),) = pictures(events, f"validation/pictures/{number}")
        assert (step, image.size, image.getpixel((0, 0))) == (4, (8, 6), (shade, 0, 0))
    captions = "validation/pictures/captions"
    assert texts(events, captions) == [(4, "- 0: a red disc\n- 1: a \\| b")]
    assert events.SummaryMetadata(f"{captions}/text_summary").plugin_data.plugin_name == "text"


def test_a_table_is_text_with_its_pictures_beside_it(run: RunFolder) -> None:
    log(run, "train", 30, loss=1.0)
    evaluate(run, 7.0)
    ship(run)
    events = shown(run, "evaluate")
    heads = "| prompt | replicate | original | finetuned | kid original | kid finetuned |"
    row = "| a disc | 0 | picture 0 | picture 0 | 7.0 | 7.0 |"
    assert texts(events, "evaluation/pairs") == [(30, "\n".join([heads, "|---" * 6 + "|", row]))]
    # Side by side: the original on the left, the finetuned on the right.
    ((step, image),) = pictures(events, "evaluation/pairs/pictures/0")
    assert (step, image.size) == (30, (16, 6))
    assert (image.getpixel((0, 0)), image.getpixel((15, 0))) == ((0, 0, 0), (1, 0, 0))
    ((_, captions),) = texts(events, "evaluation/pairs/pictures/captions")
    assert captions == "- 0: original \\| finetuned: a disc"
    assert scalars(events, "evaluation/kid/finetuned") == [(30, 7.0)]


def test_the_verdict_stands_beside_the_configuration_that_led_to_it(run: RunFolder) -> None:
    log(run, "train", 30, loss=1.0)
    evaluate(run, 7.0)
    run.report_html.write_text("<p>")
    ship(run)
    events = shown(run, "evaluate")
    ((step, words),) = texts(events, "verdict")
    assert step == 30 and "| evaluation/verdict | better |" in words
    plugin = events.PluginTagToContent("hparams")
    assert set(plugin) >= {"_hparams_/experiment", "_hparams_/session_start_info"}
    told = plugin["_hparams_/experiment"] + plugin["_hparams_/session_start_info"]
    assert b"training.seed" in told and b"evaluation/kid/finetuned" in told
    assert b"very-secret" not in told


def test_a_page_that_was_written_again_takes_nothing_away(run: RunFolder) -> None:
    """A new file of events would make readers forget what older ones say from its first step on."""
    log(run, "train", 30, loss=1.0)
    run.report_html.write_text("first")
    ship(run)
    run.report_html.write_text("second")
    ship(run)
    assert scalars(shown(run), "train/loss") == [(30, 1.0)]


def test_a_sweep_has_its_table(run: RunFolder) -> None:
    write_record(run.told, ToldRecord({}, {}, "runs", ["a"], [[1], [None]]))
    ship(run, "sweep")
    assert texts(shown(run, "sweep"), "runs") == [(0, "| a |\n|---|\n| 1 |\n| None |")]


def test_the_configuration_is_flat_and_without_secrets(run: RunFolder) -> None:
    log(run, "train", 1, loss=1.0)
    ship(run)
    ((step, text),) = texts(shown(run), "config")
    assert step == 1
    assert text.splitlines()[2:] == ["| training.seed | 7 |", "| training.a\\|b | x y |"]
    assert b"very-secret" not in b"".join(
        file.read_bytes() for file in run.path.rglob("*tfevents*")
    )


def stage(run: RunFolder, looks: dict[int, float], steps: range, value: float) -> None:
    """Part of a training as the trainer writes it, and a follower ships it."""
    # Readers order files by the second in their names; commands are further apart than that.
    time.sleep(1)
    for step in (min(steps) - 1, *steps):
        if step in steps:
            log(run, "train", step, loss=value)
        if step in looks:
            show(run, step, "a")
            log(run, "validation", step, loss=looks[step])
    ship(run)


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


def test_an_evaluation_replaces_the_one_before_and_leaves_others(run: RunFolder) -> None:
    log(run, "train", 7, loss=1.0)
    evaluate(run, 1.0)
    evaluate(run, 3.0, "later")
    ship(run)
    evaluate(run, 2.0)
    ship(run)
    assert scalars(shown(run, "evaluate"), "evaluation/kid/finetuned") == [(7, 2.0)]
    tag = "evaluations/later/kid/finetuned"
    assert scalars(shown(run, "evaluations/later"), tag) == [(2, 3.0)]
    assert scalars(shown(run), "train/loss") == [(7, 1.0)]


def test_what_a_killed_follower_did_not_note_stands_once(run: RunFolder) -> None:
    for step in (1, 2, 3):
        log(run, "train", step, loss=1.0)
        if step == 2:
            ship(run)
            noted = (run.tensorboard / "shipped.json").read_bytes()
    ship(run)
    (run.tensorboard / "shipped.json").write_bytes(noted)
    ship(run)
    assert scalars(shown(run), "train/loss") == [(1, 1.0), (2, 1.0), (3, 1.0)]
