"""Pictures of the embedded original and of a short training, which simulations draw from."""

from pathlib import Path

from sdexp.backbone.base import PictureSet
from sdexp.engine.evaluate.asked import Asked
from sdexp.engine.evaluate.pictures import PictureMaker
from sdexp.engine.hardware import make_accelerator
from sdexp.ground.store import Store
from sdexp.recipes import Recipes


def train_shortly(folder: Path) -> None:
    """A training of 100 steps in `run`, unless it is there."""
    from sdexp.train import main as train

    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "run" / "run.json").exists():
        words = ["evaluation=none", "tracker=none", "training.max_train_steps=100"]
        train([f"run_dir={folder / 'run'}", *words])


def pictures_of_both(
    folder: Path, recipes: Recipes, asked: Asked, store: Store
) -> dict[str, PictureSet]:
    """By "original" and "finetuned" all replicates of each prompt, one after the other."""
    sampling = recipes.evaluation.sampling(64)
    maker = PictureMaker(sampling, 32, 0, store, make_accelerator(recipes.hardware))
    shown = {}
    for side in ("original", "finetuned"):
        model = recipes.model.load("cpu")
        if side == "finetuned":
            recipes.finetune.restore(model, folder / "run" / "weights").applied.check("weights")
        made = maker.pictures(model, asked, folder / "images" / side, side)
        assert made is not None
        shown[side] = made.shown
    return shown
