"""What an evaluation says to the three questions that every finetuning is asked."""

from typing import Literal

from sdexp.ground.score_records import CopyingRecord, MetricRecord, ScoresRecord, Verdict

Word = Literal["yes", "no", "cannot tell", "not asked"]

SIGNIFICANCE = 0.05
# Of prompts: two pictures each, of which one in a hundred lies as near by chance.
CHANCE = 0.02
# A model copies little enough where at most so many prompts give a copy. Where these are not nearer
# to what was trained on than chance explains they are only typical, up to half of all prompts.
FEW = 0.1
MANY = 0.5

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
    found = [(copying.share, copying.p), (copying.train_share, copying.train_p)]
    if any(p < SIGNIFICANCE and share.ci95[0] > CHANCE for share, p in found):
        return "yes"
    few = [share.ci95[1] <= (MANY if p >= SIGNIFICANCE else FEW) for share, p in found]
    return "no" if all(few) else "cannot tell"
