from pathlib import Path
from typing import Any

import pytest

from sdexp.engine.prepare.filling import fill_store
from sdexp.engine.train.latents import MOMENTS
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from tests.engine.prepare.folders import photos, recipes_of
from tests.training import trainer_of

SHORT = (
    "training.max_train_steps=2",
    "training.validation_steps=1",
    "training.validation_images_steps=null",
    "training.train_batch_size=9",
    "tracker=none",
)


def entries(store: Store) -> int:
    return len(list((store.root / MOMENTS).glob("*/*.bin")))


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["training.random_flip=true"],
        ["hardware.frozen_dtype=bf16", "hardware.mixed_precision=bf16"],
        [
            "training.bucket.enable_bucket=true",
            "training.bucket.min_bucket_reso=32",
            "training.bucket.bucket_reso_steps=8",
        ],
        ["dataset.sample_unit=caption"],
    ],
)
def test_a_training_finds_all_that_it_needs(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str], new_run: Any
) -> None:
    store = Store(tmp_path / "store")
    recipes = recipes_of(photos(tmp_path / "photos"), *SHORT, *words)
    run = RunFolder(tmp_path / "prepare")
    run.path.mkdir()
    fill_store(run, recipes, store)
    filled = entries(store)
    assert f"store: {filled} pictures encoded, 0 were there" in capsys.readouterr().out
    fill_store(run, recipes, store)
    assert f"store: 0 pictures encoded, {filled} were there" in capsys.readouterr().out
    trainer = trainer_of(new_run("run"), recipes, store)
    trainer.train()
    assert trainer.setup.loss_of.moments.encoded == 0 and entries(store) == filled
