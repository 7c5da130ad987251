"""What the scores of a run mean, in sentences."""

from collections.abc import Mapping

from sdexp.ground.records import MetricRecord, PairRecord, ScoresRecord
from sdexp.pages.run.facts import Facts
from sdexp.pages.words import number

VERDICTS = {
    "better": "The fine-tuned model is better on {name}.",
    "worse": "The fine-tuned model is worse on {name}.",
    "no evidence": "No evidence of a difference on {name}.",
    "underpowered": "Too few prompts to tell about {name}.",
}
DIFFERENT = (
    "The difference is larger than chance explains (p below 0.05). It holds for prompts "
    "like these, this sampler and this scorer; another training seed may move it."
)
MEANINGS = {
    "better": DIFFERENT,
    "worse": DIFFERENT,
    "no evidence": "A difference of the size that was declared to matter would probably have been "
    "seen with this many prompts; none was.",
    "underpowered": "Even a difference of the size that was declared to matter could have been "
    "missed. Raise evaluation.num_prompts before concluding anything.",
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
    return verdict, VERDICTS[verdict].format(name=scores.primary), MEANINGS[verdict]


def _ended(facts: Facts) -> tuple[str, str | None]:
    at = facts.evaluation or facts.record
    return at.status, at.reason


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
        f"{scores.primary} with {metric.backbone}: {number(metric.original)} → "
        f"{number(metric.finetuned)} (difference {number(metric.difference, True)}, "
        f"{_interval(metric)}p = {metric.p:.4f}; {scores.n_prompts} prompts x "
        f"{scores.replicates} replicates; {direction} is better)."
    )


def _interval(metric: MetricRecord) -> str:
    if metric.ci95 is None:
        return ""
    low, high = (number(bound, True) for bound in metric.ci95)
    return f"95 % interval {low} to {high}, "


def drift_lines(scores: ScoresRecord) -> list[str]:
    """How far the pictures moved, one sentence for each metric that can tell."""
    return [
        f"{name} with {drift.backbone} between the original's and the finetuned's picture of "
        f"the same prompt and noise: {number(drift.value)}{_between(drift.ci95)}. 0 would be "
        "the same pictures. It says how far the model moved, not whether for better or worse; what "
        "moves far may also have forgotten more."
        for name, drift in scores.drift.items()
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
