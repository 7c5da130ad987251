"""What an evaluation says to the three questions that every finetuning is asked."""

from typing import Literal

from sdexp.ground.score_records import CopyingRecord, MetricRecord, ScoresRecord, Verdict
from sdexp.stats.comparison import SIGNIFICANCE

Word = Literal["yes", "no", "cannot tell", "not asked"]

# A model copies little enough where at most such shares of held-out prompts, and of training
# captions, which are fewer, may give a copy.
FEW = 0.15
FEW_BY_CAPTION = 0.2

OPEN: dict[Verdict, Word] = {"underpowered": "cannot tell", "no evidence": "cannot tell"}
LEARNED: dict[Verdict, Word] = {"better": "yes", "worse": "no", "too small to matter": "no", **OPEN}
KEPT: dict[Verdict, Word] = {"better": "yes", "worse": "no", "too small to matter": "yes", **OPEN}


def answers(scores: ScoresRecord) -> dict[str, Word]:
    """By question: learned the target, kept the rest, copies training pictures."""
    general = kept_by(scores)
    copying = scores.guards.copying
    return {
        "learned": LEARNED[scores.primary_metric.verdict],
        "kept": KEPT[general[1].verdict] if general else "not asked",
        "copies": "not asked" if copying is None else _copies(copying),
    }


def kept_by(scores: ScoresRecord) -> tuple[str, MetricRecord] | None:
    """The metric of general prompts that tells what was kept."""
    return next(iter(scores.guards.general.items()), None)


def _copies(copying: CopyingRecord) -> Word:
    """Yes for pictures too near more often than chance explains, and nearer to what was trained on.

    Or for training captions that bring their own pictures back.
    """
    share = copying.share.ci95
    train_share = copying.train_share.ci95
    # Two tests, of which one is enough.
    level = SIGNIFICANCE / 2
    if copying.p < level and share[0] > copying.chance:
        return "yes"
    if copying.train_p < level and train_share[0] > copying.train_chance:
        return "yes"
    return "no" if share[1] <= FEW and train_share[1] <= FEW_BY_CAPTION else "cannot tell"
