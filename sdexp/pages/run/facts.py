"""What a report tells, read from a run folder into plain values."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdexp.ground.run import MODELS, RunFolder
from sdexp.pages.words import number

VERDICTS = {
    "better": "The fine-tuned model is better on {name}.",
    "worse": "The fine-tuned model is worse on {name}.",
    "no evidence": "No evidence of a difference on {name}.",
    "underpowered": "Too few prompts to tell about {name}.",
}
MEANINGS = {
    "better": "The difference is larger than chance explains (p below 0.05). It holds for prompts "
    "like these, this sampler and this scorer; another training seed may move it.",
    "worse": "The difference is larger than chance explains (p below 0.05). It holds for prompts "
    "like these, this sampler and this scorer; another training seed may move it.",
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


@dataclass(frozen=True)
class Triple:
    """One prompt's pictures: original, finetuned and the real one."""

    caption: str
    original: Path
    finetuned: Path
    reference: Path
    note: str


@dataclass(frozen=True)
class Facts:
    """Everything that a report shows; `scores` is None without an evaluation."""

    record: dict[str, Any]
    config: str
    log: list[dict[str, Any]]
    scores: dict[str, Any] | None
    rows: list[dict[str, Any]]

    @property
    def title(self) -> str:
        choices = self.record["choices"] if "choices" in self.record else {}
        parts = [choices[group] for group in ("finetune", "model", "dataset") if group in choices]
        return " / ".join(parts) or "run"

    @property
    def warnings(self) -> list[str]:
        lines = list(self.scores["warnings"]) if self.scores else []
        for key in self.record["chosen_later"]:
            lines.append(f"{key} was chosen after the run, so the verdict was not declared before")
        for steps in self.record["grown_from"]:
            lines.append(
                f"first meant to end at step {steps}, then trained further: unless the schedule is "
                "constant, one run of the whole length has other weights"
            )
        return lines

    def curve(self, split: str, name: str) -> list[tuple[int, float]]:
        """(step, value) of one logged number."""
        return [
            (row["step"], row["value"])
            for row in self.log
            if row["split"] == split and row["name"] == name
        ]


def read_facts(run: RunFolder) -> Facts:
    """Read a run folder; what a run has not reached yet is absent, not an error."""
    config = run.evaluation_config if run.evaluation_config.exists() else run.config
    return Facts(
        record=run.read_record(),
        config=config.read_text(),
        log=read_log(run.log) if run.log.exists() else [],
        scores=json.loads(run.scores.read_text()) if run.scores.exists() else None,
        rows=read_rows(run.per_image) if run.per_image.exists() else [],
    )


def read_log(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a log; a run at work may be in the midst of the last."""
    return [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]


def read_rows(path: Path) -> list[dict[str, Any]]:
    """One entry for each picture of an evaluation."""
    import pyarrow.parquet as pq

    return pq.read_table(path).to_pylist()


def verdict_lines(facts: Facts) -> tuple[str, str, str]:
    """Verdict word, sentence, and what it can mean."""
    status = facts.record["status"]
    if status != "finished":
        failed, running = UNFINISHED[facts.record["stage"]]
        if status == "failed":
            return "failed", failed, str(facts.record["reason"])
        return "none", running, "The same command with its run_dir goes on where it stopped."
    if facts.scores is None:
        return "none", "Trained, not evaluated.", "There is no verdict without an evaluation."
    if facts.scores["control"] == "self":
        return "control", CONTROL, _control_meaning(facts.scores)
    name = facts.scores["primary"]
    verdict = facts.scores["metrics"][name]["verdict"]
    return verdict, VERDICTS[verdict].format(name=name), MEANINGS[verdict]


def _control_meaning(scores: dict[str, Any]) -> str:
    """Whether a control came out as it must."""
    differing = [name for name, m in scores["metrics"].items() if m["difference"] != 0]
    if differing:
        return f"The same model twice, yet {', '.join(differing)} differ: do not trust this set-up."
    return (
        "The same model twice, loaded and run afresh; every difference is exactly 0, as it must be."
    )


def primary_line(scores: dict[str, Any]) -> str:
    """The primary metric's numbers in one sentence."""
    name = scores["primary"]
    facts = scores["metrics"][name]
    interval = (
        f"95 % interval {number(facts['ci95'][0], True)} to {number(facts['ci95'][1], True)}, "
        if facts["ci95"]
        else ""
    )
    direction = "higher" if facts["higher_is_better"] else "lower"
    return (
        f"{name} with {facts['backbone']}: {number(facts['original'])} → "
        f"{number(facts['finetuned'])} (difference {number(facts['difference'], True)}, {interval}"
        f"p = {facts['p']:.4f}; {scores['n_prompts']} prompts x {scores['replicates']} replicates; "
        f"{direction} is better)."
    )


def triples(run: RunFolder, facts: Facts, count: int = 9) -> list[Triple]:
    """The first pictures of `count` prompts; the order of prompts is that of a hash, so a draw."""
    first = [row for row in facts.rows if row["replicate"] == 0 and row["model"] == "original"]
    return [_triple(run, row, "") for row in first[:count]]


def extremes(
    run: RunFolder, facts: Facts, count: int = 3
) -> tuple[str, list[Triple], list[Triple]]:
    """(metric, best, worst): by difference of the first per-picture metric, at replicate 0."""
    if facts.scores is None or not facts.rows:
        return "", [], []
    per_picture = [name for name in facts.scores["metrics"] if name in facts.rows[0]]
    if not per_picture:
        return "", [], []
    name = per_picture[0]
    sign = 1 if facts.scores["metrics"][name]["higher_is_better"] else -1
    values = {
        model: {
            row["prompt_id"]: row[name]
            for row in facts.rows
            if row["replicate"] == 0 and row["model"] == model
        }
        for model in MODELS
    }
    rows = [row for row in facts.rows if row["replicate"] == 0 and row["model"] == "original"]
    gains = {row["prompt_id"]: _gain(values, row["prompt_id"]) for row in rows}
    rows.sort(key=lambda row: (-sign * gains[row["prompt_id"]], row["prompt_id"]))
    told = [_triple(run, r, f"{name} {number(gains[r['prompt_id']], True)}") for r in rows]
    count = min(count, len(told) // 2)
    return name, told[:count], told[::-1][:count]


def _gain(values: dict[str, dict[str, float]], prompt_id: str) -> float:
    return values["finetuned"][prompt_id] - values["original"][prompt_id]


def _triple(run: RunFolder, row: dict[str, Any], note: str) -> Triple:
    prompt_id = row["prompt_id"]
    return Triple(
        caption=row["caption"],
        original=run.images("original") / f"{prompt_id}_0.png",
        finetuned=run.images("finetuned") / f"{prompt_id}_0.png",
        reference=run.images("reference") / f"{prompt_id}.png",
        note=note,
    )


def validation_rows(run: RunFolder) -> tuple[list[str], list[tuple[int, list[Path]]]]:
    """(prompts, [(step, pictures)]), step 0 first."""
    if not run.validation.is_dir():
        return [], []
    prompts = run.validation / "prompts.json"
    steps = sorted(path for path in run.validation.iterdir() if path.is_dir())
    rows = [
        (int(path.name), sorted(path.glob("*.png"), key=lambda p: int(p.stem))) for path in steps
    ]
    return json.loads(prompts.read_text()) if prompts.exists() else [], rows


def drift_lines(scores: dict[str, Any]) -> list[str]:
    """How far the pictures moved, one sentence for each metric that can tell."""
    drifts = scores["drift"] if "drift" in scores else {}
    return [
        f"{name} with {drift['backbone']} between the original's and the finetuned's picture of "
        f"the same prompt and noise: {number(drift['value'])}{_between(drift['ci95'])}. 0 would be "
        "the same pictures. It says how far the model moved, not whether for better or worse; what "
        "moves far may also have forgotten more."
        for name, drift in drifts.items()
    ]


def _between(interval: list[float] | None) -> str:
    if interval is None:
        return ""
    return f" (95 % interval {number(interval[0])} to {number(interval[1])})"


def control_lines(scores: dict[str, Any]) -> list[str]:
    """Each control in one sentence."""
    controls = scores["controls"]
    lines = []
    for name, value in controls.get("real_vs_real", {}).items():
        lines.append(
            f"{name} of {value['n']} real pictures against {value['n_reference']} others: "
            f"{number(value['value'])}. Real pictures themselves score this, by the size of "
            "the sets alone."
        )
    for name, pair in controls.get("shuffled_captions", {}).items():
        lines.append(
            f"{name} with the captions of other prompts: original {number(pair['original'])}, "
            f"finetuned {number(pair['finetuned'])}. A model that ignores its prompt scores this."
        )
    for name, pair in controls.get("shuffled_references", {}).items():
        lines.append(
            f"{name} to the real pictures of other prompts: original {number(pair['original'])}, "
            f"finetuned {number(pair['finetuned'])}. The distance of unrelated pictures."
        )
    return lines
