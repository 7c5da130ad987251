"""The evaluation stage: original and finetuned under one protocol, from pictures to scores."""

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

from accelerate import Accelerator

from sdexp.engine.evaluate.judges import check_judges
from sdexp.engine.evaluate.pictures import PictureMaker, reference_pictures
from sdexp.engine.evaluate.results import Made, Results
from sdexp.engine.evaluate.scorer import Pictures
from sdexp.engine.hardware import make_accelerator
from sdexp.engine.images import save_png
from sdexp.engine.originals import check_original
from sdexp.engine.progress import say
from sdexp.engine.prompts import choose_prompts, evaluation_data, sampling_of
from sdexp.engine.weights import apply_weights
from sdexp.ground.applied import Applied
from sdexp.ground.config import Control
from sdexp.ground.errors import DataError
from sdexp.ground.interrupt import interruptible
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
    judging = work.recipes.judging
    results = Results(work.folder, judging, pictures)
    results.score(work.store, str(accelerator.device))
    sampling = sampling_of(judging.evaluation, pictures.resolution)
    rows = results.write(Made(sampling, applied))
    shutil.rmtree(work.folder.partial)
    return time.monotonic() - began, rows


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
    model = recipes.model.load(device)
    check_original(work.run, model.fingerprints())
    maker = _maker(work, model, accelerator)
    if recipes.evaluation.control != Control.self:
        # What is wrong with the weights is told before the first picture.
        apply_weights(recipes.finetune, model, work.weights).undo()
    if accelerator.is_main_process:
        with interruptible():
            side = maker.sampling.resolution
            check_judges(recipes.judging, work.store, device, side, len(prompts), len(data))
    original = maker.pictures(model, prompts, folder.images("original"), "original")
    # Loaded and made afresh also as a control: pictures from the shared store would prove nothing.
    model = recipes.model.load(device)
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
    applied = apply_weights(work.recipes.finetune, model, work.weights).applied
    say(
        f"{applied.applied} tensors applied, {applied.changed} differ from the original's, "
        "none missing, none unexpected"
    )
    return applied
