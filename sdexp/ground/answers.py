"""What an evaluation says to the three questions that every finetuning is asked."""

from typing import Literal

from sdexp.ground.score_records import CopyingRecord, MetricRecord, ScoresRecord, Verdict

Word = Literal["yes", "no", "cannot tell", "not asked"]

SIGNIFICANCE = 0.05
# Of prompts: two pictures each, of which one in a hundred lies as near by chance.
CHANCE = 0.02
# A model copies little enough where at most so many prompts, or training captions, give a copy.
FEW = 0.1
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
    nearer = copying.p < SIGNIFICANCE
    held_out = copying.share.ci95
    by_caption = copying.train_share.ci95
    if (nearer and held_out[0] > CHANCE) or by_caption[0] > CHANCE:
        return "yes"
    few = held_out[1] <= FEW or not nearer
    return "no" if few and by_caption[1] <= FEW_BY_CAPTION else "cannot tell"
