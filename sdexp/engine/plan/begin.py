"""A training about to begin, checked against what its run began with."""

from importlib.metadata import version

from sdexp.engine.data import keep_splits, open_data
from sdexp.engine.evaluate.judges import NUM_PROMPTS, check_counts
from sdexp.engine.hardware import device_name
from sdexp.engine.originals import check_original
from sdexp.engine.plan.disk import check_run_disk
from sdexp.engine.prompts import evaluation_data, evaluation_prompts
from sdexp.engine.train.checkpoint import check_whole
from sdexp.engine.train.setup import Setup, set_up
from sdexp.engine.train.trainer import Trainer
from sdexp.ground.errors import DataError
from sdexp.ground.pending import adopt, config_at_work
from sdexp.ground.run import RunFolder, saved_steps
from sdexp.ground.store import Store, default_root
from sdexp.recipes import read_recipes

PACKAGES = ("torch", "diffusers", "transformers", "accelerate", "peft", "numpy", "sdexp")


def begin(run: RunFolder, is_main: bool) -> Trainer:
    """Set a training up; the main process notes what it is made from."""
    recipes = read_recipes(config_at_work(run))
    if recipes.evaluation.enabled:
        real = evaluation_data(run, recipes)
        asked = len(evaluation_prompts(real, recipes))
        check_counts(recipes.judging, NUM_PROMPTS, asked, len(real))
    if recipes.training.validation_metrics_steps is not None:
        count = len(open_data(run, recipes, "val"))
        asked = min(recipes.training.num_validation_prompts, count)
        check_counts(recipes.judging, "training.num_validation_prompts", asked, count)
    if is_main:
        keep_splits(run, recipes)
    setup = set_up(run, recipes, Store(default_root()))
    if saved_steps(run.checkpoints):
        check_unchanged(run, setup.identity.prints, setup.data.manifest())
    setup.accelerator.wait_for_everyone()
    if setup.is_main:
        _note(run, setup)
    return Trainer(run, setup)


def _note(run: RunFolder, setup: Setup) -> None:
    """Make the command's configuration the run's own, and record what it is made from."""
    check_run_disk(run, setup)
    if run.pending_record.is_file():
        _check_places(run)
    adopt(run)
    run.change_record(
        stage="train",
        versions={name: version(name) for name in PACKAGES},
        device=device_name(setup.model.device),
        data=run.read_record().data | setup.describe_splits(),
    )


def _check_places(run: RunFolder) -> None:
    """Raise `DataError` when a finished run could not be trained again where it lies."""
    check_whole(run.checkpoints)
    if run.weights.is_file():
        raise DataError(f"{run.weights}: is no folder; remove it")


def check_unchanged(run: RunFolder, base_weights: dict[str, str], manifest: str) -> None:
    """Raise `DataError` when a run would go on with other data or weights than it began with."""
    record = run.read_record()
    if "train" not in record.data:
        return
    if record.data["train"].manifest != manifest:
        raise DataError(
            f"run_dir={run.path}: the pictures or captions changed since this run's last "
            "checkpoint; put them back or name a new folder"
        )
    check_original(run, base_weights)
