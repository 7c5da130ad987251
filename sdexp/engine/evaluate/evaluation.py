"""The evaluation stage: original and finetuned under one protocol, from pictures to scores."""

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from accelerate import Accelerator

from sdexp.backbone.base import PictureSet
from sdexp.dataset.base import OpenDataset
from sdexp.engine.data import note_data, trained_on
from sdexp.engine.evaluate.asked import Asked, everything_asked
from sdexp.engine.evaluate.guards import Guards
from sdexp.engine.evaluate.judges import check_judges
from sdexp.engine.evaluate.pictures import MadePictures, PictureMaker, real_pictures
from sdexp.engine.evaluate.results import Made, Results
from sdexp.engine.evaluate.reuse import note_batches, take_over
from sdexp.engine.evaluate.scorer import Pictures
from sdexp.engine.hardware import make_accelerator
from sdexp.engine.images import save_png
from sdexp.engine.originals import check_original
from sdexp.engine.prompts import Prompt, evaluation_data
from sdexp.engine.weights import apply_weights
from sdexp.finetune.merging import merge
from sdexp.ground.applied import Applied
from sdexp.ground.config import Control
from sdexp.ground.errors import DataError
from sdexp.ground.interrupt import interruptible
from sdexp.ground.progress import say
from sdexp.ground.records import SplitRecord
from sdexp.ground.run import EvaluationFolder, RunFolder
from sdexp.ground.store import Store
from sdexp.model.base import LoadedModel
from sdexp.recipes import Recipes

# More pictures than this share of one colour are no pictures.
BLANK_SHARE = 0.5


@dataclass(frozen=True)
class Evaluation:
    """What is evaluated and where the results go: `folder` is the run's own, or one beside it."""

    run: RunFolder
    folder: EvaluationFolder
    recipes: Recipes
    store: Store

    @property
    def weights(self) -> Path:
        """Where the finetuned weights lie."""
        return self.run.served(self.recipes.evaluation.checkpoint)


@dataclass(frozen=True)
class Shown:
    """Everything that was made: what is scored, the guards' pictures by name, the proof of loading.

    opened: data by the name of what was asked of it; data: the split in numbers, None where a
    person wrote the prompts; taken: how many pictures an earlier evaluation of the run has made.
    """

    pictures: Pictures
    guards: dict[str, Pictures]
    opened: dict[str, OpenDataset]
    applied: Applied | None
    data: SplitRecord | None
    taken: int


@dataclass(frozen=True)
class Evaluated:
    """What an evaluation took, how many pictures it scored, and their split if they have one."""

    seconds: float
    pictures: int
    data: SplitRecord | None


def evaluate(work: Evaluation) -> Evaluated | None:
    """Make and score the pictures of both models; None in every process but the main one."""
    began = time.monotonic()
    accelerator = make_accelerator(work.recipes.hardware)
    leaks = _leaks(work)
    shown = _make_pictures(work, accelerator)
    if shown is None:
        return None
    judging = work.recipes.judging
    results = Results(work.folder, judging, shown.pictures)
    scorer = results.score(work.store, str(accelerator.device))
    with interruptible():
        guards = Guards(work.folder, judging, shown.pictures, shown.guards, shown.opened).score(
            scorer, results.scores
        )
    sampling = judging.evaluation.sampling(shown.pictures.resolution)
    split = judging.evaluation.split
    warnings = [f"data {split}: {line}" for line in shown.data.warnings] if shown.data else []
    warnings += leaks + _taken_words(shown.taken)
    rows = results.write(Made(sampling, shown.applied, guards=guards, warnings=warnings))
    shutil.rmtree(work.folder.partial)
    return Evaluated(time.monotonic() - began, rows, shown.data)


def _taken_words(taken: int) -> list[str]:
    if not taken:
        return []
    line = (
        f"{taken} pictures of the finetuned model are those that an earlier evaluation of this run "
        "made (same weights, prompts, noise and settings; without its batches.json they are made "
        "again)"
    )
    say(line)
    return [line]


def _leaks(work: Evaluation) -> list[str]:
    """Given weights of a run may have been trained on what they are evaluated by."""
    files = work.recipes.finetune.given_files()
    if not files or work.recipes.evaluation.prompts is not None:
        return []
    data = evaluation_data(work.run, work.recipes)
    leaked = trained_on(files, [data.picture_id(index) for index in range(len(data))])
    if not leaked:
        return []
    line = (
        f"the run that these weights come from was trained on {len(leaked)} of these {len(data)} "
        f"pictures (first: {leaked[0]}): evaluate it by its own split"
    )
    say(f"warning: {line}")
    return [line]


def _make_pictures(work: Evaluation, accelerator: Accelerator) -> Shown | None:
    """Pictures of both models.

    Every process makes its share; all but the main one then have nothing more to do: None.
    """
    recipes = work.recipes
    asked = everything_asked(work.run, recipes)
    opened = {one.name: one.data for one in asked if one.data is not None}
    prompts = asked[0].prompts
    data = opened[""]
    model = recipes.model.load(str(accelerator.device))
    check_original(work.run, model.fingerprints())
    maker = _maker(work, model, accelerator)
    side = maker.sampling.height
    _look_first(work, model, accelerator, (side, len(prompts), len(data)))
    found = _of_both(work, maker, model, asked)
    if found is None:
        return None
    made, applied, taken = found
    described = None
    real = PictureSet.none()
    if recipes.evaluation.prompts is None:
        described = note_data(work.folder, recipes.evaluation.split, data, model, side)
        real = _references(work.folder, data, prompts, side)
    own, *guards = (
        Pictures(one.prompts, one.replicates, both, _real(one, side) if one.name else real)
        for one, both in zip(asked, made, strict=True)
    )
    names = [one.name for one in asked[1:]]
    by_guard = dict(zip(names, guards, strict=True))
    return Shown(own, by_guard, opened, applied, described, taken)


def _real(asked: Asked, side: int) -> PictureSet:
    """The real pictures that belong to a guard's prompts; to general ones belong none."""
    return PictureSet.none() if asked.data is None else real_pictures(asked.data, side)


def _look_first(
    work: Evaluation, model: LoadedModel, accelerator: Accelerator, sizes: tuple[int, int, int]
) -> None:
    """Tell what is wrong with weights or judges before the first picture.

    sizes: side of a picture, prompts, real pictures.
    """
    recipes = work.recipes
    if recipes.evaluation.control != Control.self:
        apply_weights(recipes.finetune, model, work.weights).undo()
    if accelerator.is_main_process:
        with interruptible():
            check_judges(recipes.judging, work.store, model.device, *sizes)


def _of_both(
    work: Evaluation, maker: PictureMaker, model: LoadedModel, asked: list[Asked]
) -> tuple[list[dict[str, MadePictures]], Applied | None, int] | None:
    """Pictures of the original, then of the finetuned, each loaded afresh; by model for each.

    With the proof of loading, and how many of the finetuned's an earlier evaluation has made.
    """

    def of(name: str, maker: PictureMaker, model: LoadedModel) -> list[MadePictures | None]:
        return [maker.pictures(model, one, one.folder(work.folder, name), name) for one in asked]

    original = of("original", maker, model)
    # Loaded and made afresh also as a control: pictures from the shared store would prove nothing.
    fresh = work.recipes.model.load(model.device)
    applied = _applied(work, fresh)
    own = replace(maker, store=Store(work.folder.partial))
    taken = _take_over(work, own, fresh, list(zip(asked, original, strict=True)), applied)
    finetuned = of("finetuned", own, fresh)
    made = [
        {"original": first, "finetuned": second}
        for first, second in zip(original, finetuned, strict=True)
        if first is not None and second is not None
    ]
    if not made:
        return None
    note_batches(work.folder, own, fresh, list(zip(asked, made, strict=True)))
    for name, one in made[0].items():
        _check_blank(name, one)
    if applied is not None and made[0]["original"].sha256 == made[0]["finetuned"].sha256:
        raise DataError(
            "every picture of the finetuned model equals the original's: the weights have no effect"
        )
    return made, applied, taken


def _take_over(
    work: Evaluation,
    own: PictureMaker,
    fresh: LoadedModel,
    originals: list[tuple[Asked, MadePictures | None]],
    applied: Applied | None,
) -> int:
    """Take over what earlier evaluations of the run have made; how many pictures.

    A control that took what an earlier one made would prove nothing.
    """
    known = [(one, made) for one, made in originals if made is not None]
    taken = take_over(work.run, own, fresh, known) if applied is not None and known else 0
    own.accelerator.wait_for_everyone()
    return taken


def _check_blank(name: str, made: MadePictures) -> None:
    """Raise `DataError` where so many pictures show nothing that no score means anything."""
    if made.blank > BLANK_SHARE * made.shown.count:
        raise DataError(
            f"{made.blank} of {made.shown.count} pictures of the {name} are of one colour: its "
            "weights or the sampling are broken; look at images/, and at evaluation.guidance_scale"
        )


def _references(
    folder: EvaluationFolder, data: OpenDataset, prompts: list[Prompt], resolution: int
) -> PictureSet:
    """All real pictures of the split; those of the prompts are written too."""
    references = real_pictures(data, resolution)
    for prompt in prompts:
        file = folder.images("reference") / f"{prompt.prompt_id}.png"
        save_png(references.read(prompt.index), file)
    return references


def _maker(work: Evaluation, model: LoadedModel, accelerator: Accelerator) -> PictureMaker:
    config = work.recipes.evaluation
    resolution = work.recipes.training.resolution or model.sample_size
    return PictureMaker(
        config.sampling(resolution),
        config.batch_size,
        config.seed,
        work.store,
        accelerator,
    )


def _applied(work: Evaluation, model: LoadedModel) -> Applied | None:
    """Put the run's weights into a fresh original, and prove it; None for a control.

    Adapters are worked in once they are proved: the model is used for this comparison only.
    """
    if work.recipes.evaluation.control == Control.self:
        return None
    applied = apply_weights(work.recipes.finetune, model, work.weights).applied
    merge(model)
    say(
        f"{applied.applied} tensors applied, {applied.changed} differ from the original's, "
        "none missing, none unexpected"
    )
    return applied
