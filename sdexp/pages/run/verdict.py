"""What the scores of a run mean, in sentences."""

from collections.abc import Mapping

from sdexp.ground.score_records import DriftRecord, MetricRecord, PairRecord, ScoresRecord
from sdexp.ground.units import duration
from sdexp.pages.run.facts import Facts
from sdexp.pages.words import number
from sdexp.stats.comparison import LEAST_PROMPTS, SIGNIFICANCE

VERDICTS = {
    "better": "The fine-tuned model is better on {name}.",
    "worse": "The fine-tuned model is worse on {name}.",
    "too small to matter": "Any difference on {name} is too small to matter.",
    "underpowered": "Too few prompts to tell about {name}.",
    "no evidence": "No evidence of a difference on {name} that matters.",
}
CONTROL = "Control: the original against itself."
UNFINISHED = {
    "train": ("The run failed.", "The run is not finished."),
    "evaluate": ("Trained; the evaluation failed.", "Trained; the evaluation is not finished."),
}
GOES_ON = "The same command with its run_dir goes on where it stopped."


def verdict_lines(facts: Facts) -> tuple[str, str, str]:
    """Verdict word, sentence, and what it can mean."""
    status, reason = _ended(facts)
    if status != "finished":
        stage = facts.record.stage if facts.evaluation is None else "evaluate"
        failed, running = UNFINISHED[stage]
        if status == "failed":
            return "failed", failed, str(reason)
        return "none", running, GOES_ON
    scores = facts.scores
    if scores is None:
        return "none", "Trained, not evaluated.", "There is no verdict without an evaluation."
    if scores.control == "self":
        return "control", CONTROL, _control_meaning(scores)
    verdict = scores.primary_metric.verdict
    seconds = facts.evaluated.seconds if facts.evaluated else None
    return verdict, VERDICTS[verdict].format(name=scores.primary), meaning(scores, seconds)


def _ended(facts: Facts) -> tuple[str, str | None]:
    at = facts.evaluation or facts.record
    return at.status, at.reason


def meaning(scores: ScoresRecord, seconds: float | None) -> str:
    """What the verdict on the primary metric can mean, and what would tell more.

    seconds: how long the evaluation took.
    """
    metric = scores.primary_metric
    matters = f"{number(metric.smallest_effect)} (smallest_effect)"
    if metric.verdict in ("better", "worse"):
        return (
            "The difference is larger than chance explains (p below 0.05) and at least the "
            f"{matters} that was declared to matter. It holds for prompts like these, this sampler "
            "and this judge; another training seed may move it."
        )
    if metric.verdict == "too small to matter":
        return f"The whole 95 % interval lies within {matters} of no difference."
    if metric.verdict == "underpowered":
        return f"A difference of {matters} could have been missed. {_remedy(scores, seconds)}"
    if metric.p < SIGNIFICANCE:
        return (
            "There is a difference (p below 0.05), but it is not shown to be as large as the "
            f"{matters} that was declared to matter."
        )
    return f"A difference of {matters} would probably have been seen; none was."


def _remedy(scores: ScoresRecord, seconds: float | None) -> str:
    """How many prompts would tell, and whether the split has them."""
    metric = scores.primary_metric
    asked = scores.n_prompts
    lines = []
    if metric.least_p >= SIGNIFICANCE:
        lines.append(
            f"With {asked} prompts no p can be below {SIGNIFICANCE}; with {LEAST_PROMPTS} it can."
        )
    needed = metric.needed_prompts
    if needed is None:
        return " ".join([*lines, "No number of prompts is enough for so small an effect."])
    time = f", about {duration(seconds * needed / asked)} of evaluation" if seconds else ""
    lines.append(f"About {needed} prompts find it in nine of ten repeats{time}.")
    if not scores.n_split and needed > asked:
        lines.append("More lines in the file of evaluation.prompts, or more replicates, could.")
    elif needed > scores.n_split:
        lines.append(
            f"The split holds {scores.n_split} pictures: it cannot tell; a larger split, more "
            "replicates or a larger smallest_effect could."
        )
    elif needed > asked:
        lines.append(f"Set evaluation.num_prompts={needed}.")
    return " ".join(lines)


def _control_meaning(scores: ScoresRecord) -> str:
    """Whether a control came out as it must."""
    differing = [name for name, metric in scores.metrics.items() if metric.difference != 0]
    if differing:
        return f"The same model twice, yet {', '.join(differing)} differ: do not trust this set-up."
    return (
        "The same model twice, loaded and run afresh; every difference is exactly 0, as it must be."
    )


def primary_line(scores: ScoresRecord) -> str:
    """The primary metric's numbers in one sentence."""
    metric = scores.primary_metric
    direction = "higher" if metric.higher_is_better else "lower"
    return (
        f"{_named(scores)} with {metric.backbone}: {number(metric.original)} → "
        f"{number(metric.finetuned)} (difference {number(metric.difference, True)}, "
        f"{_interval(metric)}p = {metric.p:.4f}; {scores.n_prompts} prompts x "
        f"{scores.replicates} replicates; {direction} is better)."
    )


def _named(scores: ScoresRecord) -> str:
    """The primary metric with its unit."""
    unit = scores.primary_metric.unit
    return f"{scores.primary} ({unit})" if unit else scores.primary


def _interval(metric: MetricRecord) -> str:
    if metric.ci95 is None:
        return ""
    low, high = (number(bound, True) for bound in metric.ci95)
    return f"95 % interval {low} to {high}, "


def drift_lines(scores: ScoresRecord) -> list[str]:
    """How far the pictures moved, one sentence for each metric that can tell."""
    same = "the same prompt and noise" if scores.sampling else "one name"
    lines = [
        f"{name} with {drift.backbone} between the original's and the finetuned's picture of "
        f"{same}: {number(drift.value)}{_between(drift.ci95)}. 0 would be the same pictures"
        f"{_noise_words(drift)}. It says how far the model moved, not whether for better or worse; "
        "what moves far may also have forgotten more."
        for name, drift in scores.drift.items()
    ]
    lines += [
        f"{name} by general prompts: {number(drift.value)}{_between(drift.ci95)}."
        for name, drift in scores.guards.general_drift.items()
    ]
    return lines


def _noise_words(drift: DriftRecord) -> str:
    if drift.noise is None:
        return ""
    return f", and other noise alone moves the original's by {number(drift.noise)}"


def overfit_lines(scores: ScoresRecord) -> list[str]:
    """By how much training made training captions easier than held-out ones, a sentence each."""
    return [
        f"{name}: training captions score {number(gap.finetuned, True)} better than held-out ones, "
        f"{number(gap.original, True)} with the original; training moved the gap by "
        f"{number(gap.difference, True)}{_between(gap.ci95)}."
        for name, gap in scores.guards.overfit.items()
    ]


def _between(interval: tuple[float, float] | None) -> str:
    if interval is None:
        return ""
    return f" (95 % interval {number(interval[0])} to {number(interval[1])})"


def control_lines(scores: ScoresRecord) -> list[str]:
    """Each control in one sentence."""
    controls = scores.controls
    lines = [
        f"{name} of {floor.n} real pictures against {floor.n_reference} others: "
        f"{number(floor.value)}. Real pictures themselves score this, by the size of the sets "
        "alone."
        for name, floor in controls.real_vs_real.items()
    ]
    lines += [
        f"{name} of the original by one draw of noise and by another: {number(noise.first)} and "
        f"{number(noise.second)}. So much does noise alone."
        for name, noise in controls.other_noise.items()
    ]
    lines += _pair_lines(
        controls.shuffled_captions,
        "with the captions of other prompts",
        "A model that ignores its prompt scores this.",
    )
    lines += _pair_lines(
        controls.shuffled_references,
        "to the real pictures of other prompts",
        "The distance of unrelated pictures.",
    )
    return lines


def _pair_lines(pairs: Mapping[str, PairRecord], what: str, meaning: str) -> list[str]:
    return [
        f"{name} {what}: original {number(pair.original)}, finetuned {number(pair.finetuned)}. "
        f"{meaning}"
        for name, pair in pairs.items()
    ]
