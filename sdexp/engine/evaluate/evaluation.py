"""The evaluation stage: original and finetuned under one protocol, from pictures to scores."""

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from accelerate import Accelerator

from sdexp.backbone.base import PictureSet
from sdexp.dataset.base import OpenDataset
from sdexp.engine.data import note_data, trained_on
from sdexp.engine.evaluate.judges import check_judges
from sdexp.engine.evaluate.pictures import MadePictures, PictureMaker, reference_pictures
from sdexp.engine.evaluate.results import Made, Results
from sdexp.engine.evaluate.scorer import Pictures
from sdexp.engine.hardware import make_accelerator
from sdexp.engine.images import save_png
from sdexp.engine.originals import check_original
from sdexp.engine.prompts import Prompt, evaluation_data, evaluation_prompts, sampling_of
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
    made = _make_pictures(work, accelerator)
    if made is None:
        return None
    pictures, applied, data = made
    judging = work.recipes.judging
    results = Results(work.folder, judging, pictures)
    results.score(work.store, str(accelerator.device))
    sampling = sampling_of(judging.evaluation, pictures.resolution)
    split = judging.evaluation.split
    warnings = [f"data {split}: {line}" for line in data.warnings] if data else []
    warnings += leaks
    rows = results.write(Made(sampling, applied, warnings=warnings))
    shutil.rmtree(work.folder.partial)
    return Evaluated(time.monotonic() - began, rows, data)


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


def _make_pictures(
    work: Evaluation, accelerator: Accelerator
) -> tuple[Pictures, Applied | None, SplitRecord | None] | None:
    """Pictures of both models, the proof that the weights were applied, and the split.

    Every process makes its share; all but the main one then have nothing more to do: None.
    """
    recipes = work.recipes
    data = evaluation_data(work.run, recipes)
    prompts = evaluation_prompts(data, recipes)
    model = recipes.model.load(str(accelerator.device))
    check_original(work.run, model.fingerprints())
    maker = _maker(work, model, accelerator)
    side = maker.sampling.resolution
    _look_first(work, model, accelerator, (side, len(prompts), len(data)))
    found = _of_both(work, maker, model, prompts)
    if found is None:
        return None
    made, applied = found
    if recipes.evaluation.prompts is not None:
        return Pictures(prompts, maker.replicates, made, PictureSet.none()), applied, None
    described = note_data(work.folder, recipes.evaluation.split, data, model, side)
    references = _references(work.folder, data, prompts, side)
    return Pictures(prompts, maker.replicates, made, references), applied, described


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
    work: Evaluation, maker: PictureMaker, model: LoadedModel, prompts: list[Prompt]
) -> tuple[dict[str, MadePictures], Applied | None] | None:
    """Pictures of the original, then of the finetuned, each loaded afresh."""
    folder = work.folder
    original = maker.pictures(model, prompts, folder.images("original"), "original")
    # Loaded and made afresh also as a control: pictures from the shared store would prove nothing.
    fresh = work.recipes.model.load(model.device)
    applied = _applied(work, fresh)
    own = replace(maker, store=Store(folder.partial))
    finetuned = own.pictures(fresh, prompts, folder.images("finetuned"), "finetuned")
    if original is None or finetuned is None:
        return None
    if applied is not None and original.sha256 == finetuned.sha256:
        raise DataError(
            "every picture of the finetuned model equals the original's: the weights have no effect"
        )
    return {"original": original, "finetuned": finetuned}, applied


def _references(
    folder: EvaluationFolder, data: OpenDataset, prompts: list[Prompt], resolution: int
) -> PictureSet:
    """All real pictures of the split; those of the prompts are written too."""
    references = reference_pictures(data, resolution)
    for prompt in prompts:
        file = folder.images("reference") / f"{prompt.prompt_id}.png"
        save_png(references.read(prompt.index), file)
    return references


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
