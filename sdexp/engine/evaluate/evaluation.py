"""The evaluation stage: original and finetuned under one protocol, from pictures to scores."""

import shutil
import time
from dataclasses import dataclass, replace

from accelerate import Accelerator

from sdexp.engine.evaluate.judges import check_judges
from sdexp.engine.evaluate.pictures import PictureMaker, reference_pictures
from sdexp.engine.evaluate.scorer import Pictures, Score, Scorer, per_image_rows
from sdexp.engine.hardware import make_accelerator
from sdexp.engine.images import save_png
from sdexp.engine.originals import check_original
from sdexp.engine.progress import say
from sdexp.engine.prompts import choose_prompts, evaluation_data, sampling_of
from sdexp.ground.applied import Applied
from sdexp.ground.config import Control
from sdexp.ground.errors import DataError
from sdexp.ground.interrupt import interruptible
from sdexp.ground.record_files import write_record
from sdexp.ground.rows import write_rows
from sdexp.ground.run import EvaluationFolder, RunFolder
from sdexp.ground.score_records import ControlsRecord, ScoresRecord
from sdexp.ground.store import Store
from sdexp.model.base import LoadedModel
from sdexp.recipes import Recipes


@dataclass(frozen=True)
class Evaluation:
    """What is evaluated and where the results go: `folder` is the run's own, or one beside it."""

    run: RunFolder
    folder: EvaluationFolder
    recipes: Recipes
    store: Store


def evaluate(work: Evaluation) -> tuple[float, int] | None:
    """Make and score the pictures of both models; seconds and number of pictures.

    None in every process but the main one.
    """
    began = time.monotonic()
    accelerator = make_accelerator(work.recipes.hardware)
    made = _make_pictures(work, accelerator)
    if made is None:
        return None
    pictures, applied = made
    scores = _score(work, pictures, str(accelerator.device))
    rows = per_image_rows(pictures, scores)
    write_rows(work.folder.per_image, rows)
    record = _record(work.recipes, pictures, scores, applied)
    write_record(work.folder.scores, record)
    shutil.rmtree(work.folder.partial)
    return time.monotonic() - began, len(rows)


def _score(work: Evaluation, pictures: Pictures, device: str) -> dict[str, Score]:
    recipes = work.recipes
    scorer = Scorer(recipes.evaluation, recipes.backbones, work.store, device)
    scores = {}
    for name, metric in recipes.metrics.items():
        with interruptible():
            scores[name] = scorer.score(name, metric, pictures)
        _say_score(name, scores[name])
    return scores


def _make_pictures(
    work: Evaluation, accelerator: Accelerator
) -> tuple[Pictures, Applied | None] | None:
    """Pictures of the original, then of the finetuned, each loaded afresh.

    Every process makes its share; all but the main one then have nothing more to do: None.
    """
    recipes = work.recipes
    folder = work.folder
    device = str(accelerator.device)
    data = evaluation_data(recipes)
    prompts = choose_prompts(data, recipes.evaluation.num_prompts)
    model = recipes.model.load(device, "float32")
    check_original(work.run, model.fingerprints())
    maker = _maker(work, model, accelerator)
    if accelerator.is_main_process:
        with interruptible():
            side = maker.sampling.resolution
            check_judges(recipes, work.store, device, side, len(prompts), len(data))
    original = maker.pictures(model, prompts, folder.images("original"), "original")
    # Loaded and made afresh also as a control: pictures from the shared store would prove nothing.
    model = recipes.model.load(device, "float32")
    applied = _applied(work, model)
    fresh = replace(maker, store=Store(folder.partial))
    finetuned = fresh.pictures(model, prompts, folder.images("finetuned"), "finetuned")
    if original is None or finetuned is None:
        return None
    if applied is not None and original.sha256 == finetuned.sha256:
        raise DataError(
            "every picture of the finetuned model equals the original's: the weights have no effect"
        )
    references = reference_pictures(data, maker.sampling.resolution)
    for prompt in prompts:
        file = folder.images("reference") / f"{prompt.prompt_id}.png"
        save_png(references.read(prompt.index), file)
    made = {"original": original, "finetuned": finetuned}
    return Pictures(prompts, maker.replicates, made, references), applied


def _maker(work: Evaluation, model: LoadedModel, accelerator: Accelerator) -> PictureMaker:
    config = work.recipes.evaluation
    resolution = work.recipes.training.resolution or model.sample_size
    return PictureMaker(
        sampling_of(config, resolution),
        config.replicates,
        config.batch_size,
        config.seed,
        work.store,
        accelerator,
    )


def _applied(work: Evaluation, model: LoadedModel) -> Applied | None:
    """Put the run's weights into a fresh original, and prove it; None for a control."""
    if work.recipes.evaluation.control == Control.self:
        return None
    weights = work.run.weights
    applied = work.recipes.finetune.restore(model, weights).applied
    applied.check(str(weights))
    say(
        f"{applied.applied} tensors applied, {applied.changed} differ from the original's, "
        "none missing, none unexpected"
    )
    return applied


def _say_score(name: str, score: Score) -> None:
    facts = score.record
    between = f" [{facts.ci95[0]:.3f}, {facts.ci95[1]:.3f}]" if facts.ci95 else ""
    say(
        f"{' '.join([name, facts.unit]).strip()}: {facts.original:.3f} -> {facts.finetuned:.3f} "
        f"({facts.difference:+.3f}{between}, p = {facts.p:.4f}): {facts.verdict}"
    )


def _record(
    recipes: Recipes, pictures: Pictures, scores: dict[str, Score], applied: Applied | None
) -> ScoresRecord:
    config = recipes.evaluation
    return ScoresRecord(
        primary=str(config.primary),
        n_prompts=len(pictures.prompts),
        n_split=pictures.references.count,
        replicates=config.replicates,
        control=None if config.control == Control.none else str(config.control),
        sampling=sampling_of(config, pictures.resolution),
        metrics={name: score.record for name, score in scores.items()},
        applied=applied,
        controls=ControlsRecord(
            real_vs_real={n: s.floor for n, s in scores.items() if s.floor},
            shuffled_captions={n: s.other_captions for n, s in scores.items() if s.other_captions},
            shuffled_references={
                n: s.other_references for n, s in scores.items() if s.other_references
            },
        ),
        drift={name: score.drift for name, score in scores.items() if score.drift},
        warnings=_warnings(recipes, pictures, scores),
    )


def _warnings(recipes: Recipes, pictures: Pictures, scores: dict[str, Score]) -> list[str]:
    lines = []
    asked = recipes.evaluation.num_prompts
    got = len(pictures.prompts)
    if got < asked:
        lines.append(f"evaluation.num_prompts={asked}: the split holds only {got} pictures")
    real = pictures.references.count
    lines += [
        f"{name} rests on {real} real pictures: below {metric.enough_references} it is biased "
        "upwards and compares only with values at the same N and backbone"
        for name, metric in recipes.metrics.items()
        if real < metric.enough_references
    ]
    lines += [
        f"{name} reads only the beginning of {score.overlong} of {got} captions: they are longer "
        f"than the text tower of {score.record.backbone}"
        for name, score in scores.items()
        if score.overlong
    ]
    for model, made in pictures.made.items():
        if made.blank:
            count = made.shown.count
            lines.append(f"{made.blank} of {count} pictures of the {model} are of one colour")
    return lines
