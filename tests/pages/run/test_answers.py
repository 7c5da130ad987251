from dataclasses import replace

import pytest

from sdexp.ground.score_records import CopyingRecord, GuardsRecord, ScoresRecord, ShareRecord
from sdexp.pages.run.answers import axes, sentence
from tests.pages.run.folders import scores
from tests.records import metric

GENERAL = metric(
    61.0, up=True, original=60.0, difference=-2.0, ci95=(-3.0, -1.0), smallest_effect=0.5,
    verdict="worse", n=32,
)  # fmt: skip
COPYING = CopyingRecord(
    share=ShareRecord(0.25, (0.1, 0.4)),
    train_share=ShareRecord(0.0, (0.0, 0.1)),
    chance=0.02,
    train_chance=0.01,
    p=0.001,
    train_p=0.5,
    n_train_pictures=40,
    n_held_out_pictures=64,
    backbone="dinov2",
    backbone_sha256="s",
    nearest=[],
)


def asked() -> ScoresRecord:
    return replace(scores(), guards=GuardsRecord(general={"clip": GENERAL}, copying=COPYING))


def test_each_question_has_its_answer_and_its_place() -> None:
    learned, kept, copies = axes(asked())
    assert (learned.answer, kept.answer, copies.answer) == ("yes", "no", "yes")
    assert (learned.tone, kept.tone, copies.tone) == ("better", "worse", "worse")
    assert learned.place == 1, "far to the right, though a lower score is better"
    assert (kept.place, kept.low, kept.high) == (0, 0, 0.25)
    assert kept.middle == 0.125, "half the smallest effect's zone of eight"
    assert "clip by 32 general prompts -2.000 [-3.000, -1.000]; 0.500 would matter" in kept.words
    assert (copies.place, copies.low, copies.high) == (0.25, 0.1, 0.4)
    assert "25% of held-out prompts" in copies.words and "dinov2" in copies.words


def test_the_answers_in_one_line() -> None:
    assert sentence(asked()) == (
        "Learned the target: yes; kept the rest: no; copies training pictures: yes."
    )
    assert sentence(scores()).endswith(
        "kept the rest: not asked; copies training pictures: not asked."
    )


def test_of_given_pictures_nobody_asks_what_was_learned() -> None:
    assert axes(replace(asked(), sampling=None)) == []


def test_a_control_learned_nothing() -> None:
    assert (
        axes(replace(asked(), control="self")) == []
        and sentence(replace(asked(), control="self")) == ""
    )


@pytest.mark.parametrize("interval", [None, (-9.0, 9.0)])
def test_nothing_lies_outside_the_picture(interval: tuple[float, float] | None) -> None:
    wide = replace(asked(), metrics={"kid": metric(50.0, ci95=interval)}, primary="kid")
    axis = axes(wide)[0]
    ends = [axis.place, axis.low, axis.high]
    assert all(end is None or 0 <= end <= 1 for end in ends)
