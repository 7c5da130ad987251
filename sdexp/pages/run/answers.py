"""The three questions that every finetuning is asked, answered in words and in one picture."""

from dataclasses import dataclass

from sdexp.ground.score_records import CopyingRecord, MetricRecord, ScoresRecord
from sdexp.pages.run.questions import Word, answers, kept_by
from sdexp.pages.words import number

QUESTIONS = {
    "learned": "learned the target",
    "kept": "kept the rest",
    "copies": "copies training pictures",
}
# What a yes is: good, or bad.
GOOD = {"learned": True, "kept": True, "copies": False}
# Times the smallest effect that matters, on either side of the picture's middle.
REACH = 4.0


@dataclass(frozen=True)
class Axis:
    """One question: its answer, the words behind it, and where it lies in the picture.

    tone: class of the answer on the page. place, low, high: in shares of the width, None where
    nothing was measured; middle: half the width of what does not matter, around `zero`.
    """

    question: str
    answer: Word
    tone: str
    words: str
    place: float | None = None
    low: float | None = None
    high: float | None = None
    zero: float = 0.5
    middle: float = 0.0


def axes(scores: ScoresRecord) -> list[Axis]:
    """All three questions; nothing for a control or given pictures, where nothing was trained."""
    if scores.control is not None or scores.sampling is None:
        return []
    found = answers(scores)
    general = kept_by(scores)
    copying = scores.guards.copying
    asked = f"{scores.n_prompts} {'held-out' if scores.n_split else 'own'} prompts"
    primary = _of_metric("learned", found, scores.primary_metric, scores.primary, asked)
    kept = None
    if general:
        kept = _of_metric("kept", found, general[1], general[0], f"{general[1].n} general prompts")
    copied = _of_copying(found, copying) if copying else None
    return [primary, kept or _unasked("kept"), copied or _unasked("copies")]


def sentence(scores: ScoresRecord) -> str:
    """The answers in one line; nothing where none was asked for."""
    told = [f"{axis.question}: {axis.answer}" for axis in axes(scores)]
    return f"{'; '.join(told).capitalize()}." if told else ""


def _tone(key: str, answer: Word) -> str:
    if answer in ("yes", "no"):
        return "better" if (answer == "yes") == GOOD[key] else "worse"
    return "underpowered" if answer == "cannot tell" else "none"


def _unasked(key: str) -> Axis:
    why = {
        "kept": "no metric of captions was asked about general prompts",
        "copies": "too few training or held-out pictures, or none was looked at",
    }
    return Axis(QUESTIONS[key], "not asked", "none", why[key])


def _of_metric(
    key: str, found: dict[str, Word], metric: MetricRecord, name: str, asked: str
) -> Axis:
    sign = 1 if metric.higher_is_better else -1
    scale = 2 * REACH * metric.smallest_effect
    ends = sorted(sign * end for end in metric.ci95) if metric.ci95 else []
    low, high = (_share(end, scale) for end in ends) if ends else (None, None)
    between = ""
    if metric.ci95:
        between = f" [{number(metric.ci95[0], True)}, {number(metric.ci95[1], True)}]"
    return Axis(
        QUESTIONS[key],
        found[key],
        _tone(key, found[key]),
        f"{name} by {asked} {number(metric.difference, True)}{between}; "
        f"{number(metric.smallest_effect)} would matter, "
        f"{'higher' if metric.higher_is_better else 'lower'} is better",
        _share(sign * metric.difference, scale),
        low,
        high,
        middle=1 / (2 * REACH),
    )


def _p(value: float) -> str:
    return "p below 0.001" if value < 0.001 else f"p = {value:.3f}"


def _share(value: float, scale: float) -> float:
    """Where a difference lies, 0.5 for none, at the edge where it is larger than the picture."""
    if scale == 0:
        return 0.5 if value == 0 else float(value > 0)
    return min(1.0, max(0.0, 0.5 + value / scale))


def _of_copying(found: dict[str, Word], copying: CopyingRecord) -> Axis:
    worst = max((copying.share, copying.train_share), key=lambda share: share.ci95[0])
    return Axis(
        QUESTIONS["copies"],
        found["copies"],
        _tone("copies", found["copies"]),
        f"{copying.share.value:.0%} of held-out prompts gave a picture nearer to one trained on "
        f"than 99 % of {copying.n_held_out_pictures} held-out pictures are ({_p(copying.p)}), "
        f"{copying.train_share.value:.0%} of training captions one nearer to their own picture "
        f"than 99 % of the held-out prompts' are to theirs ({_p(copying.train_p)}); "
        f"{copying.backbone}",
        worst.value,
        worst.ci95[0],
        worst.ci95[1],
        zero=0.0,
        middle=0.02,
    )
