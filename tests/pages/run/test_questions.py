from dataclasses import replace

import pytest

from sdexp.ground.score_records import CopyingRecord, GuardsRecord, ScoresRecord, ShareRecord
from sdexp.pages.run.questions import answers
from tests.records import metric, scores

NOTHING = ShareRecord(0.0, (0.0, 0.06))
MUCH = ShareRecord(0.5, (0.4, 0.6))
HALF = ShareRecord(0.3, (0.1, 0.45))
SOME = ShareRecord(0.06, (0.01, 0.16))


def copying(share: ShareRecord, by_caption: ShareRecord, *p: float) -> CopyingRecord:
    return CopyingRecord(share, by_caption, 0.02, 0.01, *p, 100, 100, "x", "y", [])


def told(**changes: object) -> ScoresRecord:
    return replace(scores({"kid": metric(50.0, verdict="better")}), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "verdict, learned, kept",
    [
        ("better", "yes", "yes"),
        ("worse", "no", "no"),
        ("too small to matter", "no", "yes"),
        ("underpowered", "cannot tell", "cannot tell"),
        ("no evidence", "cannot tell", "cannot tell"),
    ],
)
def test_verdicts_become_answers(verdict: str, learned: str, kept: str) -> None:
    own = told(metrics={"kid": metric(50.0, verdict=verdict)})
    general = GuardsRecord(general={"clip_score": metric(1.0, up=True, verdict=verdict)})
    assert answers(own)["learned"] == learned
    assert answers(replace(own, guards=general))["kept"] == kept


def test_what_was_not_asked_has_no_answer() -> None:
    assert answers(told()) == {"learned": "yes", "kept": "not asked", "copies": "not asked"}


@pytest.mark.parametrize(
    "share, by_caption, p, train_p, answer",
    [
        (NOTHING, NOTHING, 0.5, 0.5, "no"),
        (MUCH, NOTHING, 0.001, 0.5, "yes"),
        (HALF, NOTHING, 0.5, 0.5, "cannot tell"),  # as near to held-out pictures: typical ones
        (NOTHING, MUCH, 0.5, 0.001, "yes"),
        (NOTHING, HALF, 0.5, 0.5, "cannot tell"),  # scenes that are easier for any model
        (SOME, NOTHING, 0.01, 0.5, "cannot tell"),
        (MUCH, NOTHING, 0.5, 0.5, "cannot tell"),
    ],
)
def test_copies(
    share: ShareRecord, by_caption: ShareRecord, p: float, train_p: float, answer: str
) -> None:
    guards = GuardsRecord(copying=copying(share, by_caption, p, train_p))
    assert answers(told(guards=guards))["copies"] == answer
