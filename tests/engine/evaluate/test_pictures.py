import hashlib
from pathlib import Path
from typing import Any

from sdexp.engine.evaluate.asked import Asked
from sdexp.engine.evaluate.pictures import PictureMaker
from sdexp.engine.hardware import make_accelerator
from sdexp.engine.prompts import choose_prompts
from sdexp.ground.store import Store


def test_pictures_hardly_depend_on_the_batch_size(recipes: Any, tmp_path: Path) -> None:
    made = recipes()
    model = made.model.load("cpu")
    prompts = choose_prompts(made.dataset.open("test"), 3)
    sampling = made.evaluation.sampling(64)
    accelerator, results = make_accelerator(made.hardware), []
    for size in (1, 4):
        store = Store(tmp_path / "store" / str(size))
        maker = PictureMaker(sampling, size, 0, store, accelerator)
        pictures = maker.pictures(model, Asked("", prompts, 2), tmp_path / str(size), "x")
        assert pictures is not None
        results.append(pictures)
    first, second = (one.shown.batch(slice(None)).astype(int) for one in results)
    assert first.shape == (6, 64, 64, 3) and abs(first - second).max() <= 1


def test_pictures_are_told_by_their_pixels(recipes: Any, tmp_path: Path) -> None:
    made = recipes()
    model = made.model.load("cpu")
    prompts = choose_prompts(made.dataset.open("test"), 2)
    accelerator = make_accelerator(made.hardware)
    maker = PictureMaker(made.evaluation.sampling(64), 4, 0, Store(tmp_path / "store"), accelerator)
    pictures = maker.pictures(model, Asked("", prompts, 2), tmp_path / "made", "original")
    assert pictures is not None and pictures.shown.shared and pictures.blank == 0
    hashes = [hashlib.sha256(pictures.shown.read(k).tobytes()).hexdigest() for k in range(4)]
    assert hashes == pictures.sha256 and len(set(hashes)) == 4
    names = [f"{prompt.prompt_id}_{replicate}.png" for prompt in prompts for replicate in (0, 1)]
    assert sorted(file.name for file in (tmp_path / "made").iterdir()) == sorted(names)
