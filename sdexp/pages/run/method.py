"""What was done, as a paragraph for a paper: every clause from what the run recorded."""

from typing import Any

from sdexp.ground.nested import leaves
from sdexp.ground.records import SplitRecord
from sdexp.ground.score_records import MetricRecord, ScoresRecord
from sdexp.pages.run.facts import Facts
from sdexp.pages.words import number
from sdexp.stats.comparison import POWER, SIGNIFICANCE

RATE = "optimizer.lr"
LEVEL = f"{100 * (1 - SIGNIFICANCE):.0f} %"


def method(facts: Facts) -> str:
    """The paragraph; of pictures that were given only their scoring, "" where nothing was done."""
    sentences = [] if facts.record.of_folders else _training(facts)
    if facts.scores and facts.scores.control is None:
        sentences += _evaluation(facts.scores)
    return " ".join(sentences)


def _training(facts: Facts) -> list[str]:
    training = facts.record.training
    if training is None:
        return []
    settings = _settings(facts)
    choices = facts.record.choices
    told = [f"{choices[k]} ({k})" for k in ("model", "finetune", "dataset") if k in choices]
    data = facts.record.data
    on = f", on {_pictures(data['train'])}" if "train" in data else ""
    batch = _batch(settings)
    lines = [
        f"We fine-tuned {training.trainable_parameters:,} of {training.total_parameters:,} "
        f"parameters: {', '.join(told) or 'a model'}{on}, for {training.steps} optimizer steps"
        f"{batch} ({training.epochs:.2f} epochs){_judged(facts)}.",
    ]
    return lines + _optimization(settings, choices)


def _judged(facts: Facts) -> str:
    """Which step's weights are meant where it is not the last."""
    checkpoint = facts.evaluation.checkpoint if facts.evaluation else None
    training = facts.record.training
    step = checkpoint or (training.best_step if training else None)
    return f"; what is judged are the weights of step {step}" if step else ""


def _settings(facts: Facts) -> dict[str, Any]:
    """The configuration by dotted key; strategies and optimizers have keys of their own."""
    import yaml

    values = yaml.safe_load(facts.config) if facts.config else {}
    return dict(leaves(values))


def _pictures(split: SplitRecord) -> str:
    return f"{split.pictures:,} pictures with {split.captions:,} captions"


def _batch(settings: dict[str, Any]) -> str:
    keys = ("training.train_batch_size", "training.gradient_accumulation_steps")
    sizes = [settings[key] for key in (*keys, "hardware.num_processes") if key in settings]
    if len(sizes) < 3:
        return ""
    size, accumulation, processes = sizes
    return f" of {size * accumulation * processes} pictures"


def _optimization(settings: dict[str, Any], choices: dict[str, str]) -> list[str]:
    if RATE not in settings or "optimizer" not in choices:
        return []
    parts = [f"{choices['optimizer']} at a learning rate of {settings[RATE]}"]
    named = {
        "scheduler.name": "{} schedule",
        "training.max_grad_norm": "gradients clipped to norm {}",
        "training.resolution": "{} pixels",
        "hardware.mixed_precision": "mixed precision {}",
        "training.seed": "training seed {}",
    }
    parts += [
        words.format(settings[key])
        for key, words in named.items()
        if key in settings and settings[key] is not None
    ]
    if settings.get("training.use_ema"):
        parts.append("with an exponential moving average of the weights, which is evaluated")
    return [f"The optimizer was {'; '.join(parts)}."]


def _evaluation(scores: ScoresRecord) -> list[str]:
    own = "of held-out pictures" if scores.n_split else "of our own"
    several = f", {scores.replicates} times each" if scores.replicates > 1 else ""
    if scores.sampling:
        made = (
            f"The original and the fine-tuned model made pictures of the same {scores.n_prompts} "
            f"prompts {own}{several}, from the same noise, with the {scores.sampling.sampler} "
            f"sampler in {scores.sampling.num_inference_steps} steps at guidance "
            f"{scores.sampling.guidance_scale} and {scores.sampling.size} pixels."
        )
    else:
        made = f"Two folders of {scores.n_prompts} pictures were compared, {scores.fitted}."
    judged = "; ".join(_judge(name, one) for name, one in scores.metrics.items())
    primary = scores.primary_metric
    return [
        made,
        f"They were scored by {judged}.",
        f"The primary metric is {scores.primary}, with {number(primary.smallest_effect)} as the "
        "smallest difference that matters.",
        f"Prompts are the unit of inference: p values and {LEVEL} intervals come from swapping the "
        "two models' labels within prompts, replicates are averaged; a detectable difference is "
        f"found in {POWER:.0%} of repeats at the {SIGNIFICANCE:.0%} level.",
    ]


def _judge(name: str, metric: MetricRecord) -> str:
    against = f" against {metric.n_reference} real pictures" if metric.n_reference else ""
    return f"{name} over {metric.backbone} (sha256 {metric.backbone_sha256[:8]}){against}"
