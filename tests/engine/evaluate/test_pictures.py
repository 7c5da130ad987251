from pathlib import Path
from typing import Any

from sdexp.engine.evaluate.pictures import PictureMaker
from sdexp.engine.hardware import make_accelerator
from sdexp.engine.prompts import choose_prompts, sampling_of
from sdexp.ground.store import Store


def test_pictures_hardly_depend_on_the_batch_size(recipes: Any, tmp_path: Path) -> None:
    made = recipes()
    model = made.model.load("cpu", "float32")
    prompts = choose_prompts(made.dataset.open("test"), 3)
    sampling = sampling_of(made.evaluation, 64)
    accelerator, results = make_accelerator(made.hardware), []
    for size in (1, 4):
        store = Store(tmp_path / "store" / str(size))
        maker = PictureMaker(sampling, 2, size, 0, store, accelerator)
        results.append(maker.pictures(model, prompts, tmp_path / str(size), "x"))
    assert results[0].shape == (3, 2, 64, 64, 3)
    assert abs(results[0].astype(int) - results[1].astype(int)).max() <= 1
