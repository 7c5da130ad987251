"""Sizes of buckets, and trainings in them."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sdexp.engine.train.buckets import bucket_sizes, nearest
from sdexp.engine.train.setup import set_up
from sdexp.ground.config import BucketConfig
from sdexp.ground.errors import ConfigError
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.launch.compose import compose
from sdexp.recipes import Recipes, build_recipes
from tests.commands import digest
from tests.conftest import FAST
from tests.training import trainer_of


def config(least: int, most: int, steps: int) -> BucketConfig:
    return BucketConfig(True, least, most, steps)


def test_sizes_have_nearly_the_same_area() -> None:
    sizes = bucket_sizes(config(256, 1024, 64), 512)
    assert (512, 512) in sizes and (256, 1024) in sizes and (1024, 256) in sizes
    assert all((height, width) in sizes for width, height in sizes)
    for width, height in sizes:
        assert width % 64 == height % 64 == 0 and min(width, height) >= 256
        assert max(width, height) <= 1024 and 0.75 * 512**2 < width * height <= 512**2
    assert bucket_sizes(config(64, 64, 64), 64) == [(64, 64)]


@pytest.mark.parametrize(
    "size, expected",
    [((500, 375), (576, 448)), ((375, 500), (448, 576)), ((333, 333), (512, 512)),
     ((6000, 1000), (1024, 256)), ((512, 500), (512, 512))],
)  # fmt: skip
def test_a_picture_goes_where_its_shape_is_nearest(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    sizes = bucket_sizes(config(256, 1024, 64), 512)
    assert sizes[nearest(size, sizes)] == expected


@pytest.mark.parametrize("least, most, steps", [(576, 1024, 64), (256, 448, 64), (256, 1024, 96)])
def test_a_resolution_that_does_not_go_with_them_is_refused(
    least: int, most: int, steps: int
) -> None:
    with pytest.raises(ConfigError, match="the resolution of 512 must lie between min_bucket_reso"):
        bucket_sizes(config(least, most, steps), 512)


@pytest.mark.parametrize(
    "values, key",
    [((64, 128, 12), "bucket_reso_steps=12"), ((4, 128, 8), "min_bucket_reso=4"),
     ((64, 32, 8), "max_bucket_reso=32")],
)  # fmt: skip
def test_values_out_of_range_are_refused(values: tuple[int, int, int], key: str) -> None:
    with pytest.raises(ValueError, match=f"training.bucket.{key}"):
        config(*values)


@pytest.fixture
def made(tmp_path: Path, tiny: str) -> Recipes:
    """Nine square pictures and an upright one to train on, two by two, for three epochs."""
    root = tmp_path / "pictures"
    rows: dict[str, list[str]] = {}
    for split, count in (("train", 10), ("val", 1), ("test", 2)):
        (root / split).mkdir(parents=True)
        for k in range(count):
            side = (24, 48) if (split, k) == ("train", 9) else (40, 40)
            Image.effect_noise(side, 60 + k).convert("RGB").save(root / split / f"{k}.png")
            row = json.dumps({"file_name": f"{k}.png", "text": f"number {k}"})
            rows.setdefault(split, []).append(row)
        (root / split / "metadata.jsonl").write_text("\n".join(rows[split]))
    words = [word for word in FAST if not word.startswith("dataset.")]
    words += [
        tiny, "dataset=imagefolder", f"dataset.data_dir={root}", "evaluation=none",
        "training.bucket.enable_bucket=true", "training.bucket.min_bucket_reso=16",
        "training.bucket.max_bucket_reso=64", "training.bucket.bucket_reso_steps=8",
        "training.train_batch_size=2", "training.num_train_epochs=3",
        "training.max_train_steps=null", "training.validation_images_steps=null",
        "training.validation_steps=null", "training.checkpointing_steps=2",
    ]  # fmt: skip
    return build_recipes(compose("train", words).config)


def test_every_picture_is_trained_once_an_epoch(made: Recipes, new_run: Any, store: Store) -> None:
    setup = set_up(new_run("run"), made, store)
    timetable = setup.timetable
    # Nine squares in pairs, and one alone; the upright one is a batch of its own.
    assert timetable.order.steps_per_epoch == 6 and timetable.total == 18
    seen = Counter(index for step in range(18) for index in timetable.order.step_samples(step))
    assert seen == dict.fromkeys(range(10), 3) and seen.total() == 30
    item = setup.pictures[(0, 9)]
    assert item.view.pixels.shape == (3, 40, 24) or item.view.pixels.shape == (3, 48, 16)
    framing = item.view.framing
    assert framing.original_size == (48, 24) and framing.target_size == item.view.pixels.shape[1:]


def test_a_killed_training_in_buckets_ends_in_the_same_bytes(
    made: Recipes, new_run: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: RunFolder = new_run("whole")
    trainer_of(whole, made, store).train()
    cut: RunFolder = new_run("cut")
    first = trainer_of(cut, made, store)
    save = first._save

    def dying() -> None:
        save()
        if first.state.step == 8:
            raise KeyboardInterrupt

    monkeypatch.setattr(first, "_save", dying)
    with pytest.raises(KeyboardInterrupt):
        first.train()
    trainer_of(cut, made, store).train()
    assert digest(cut.weights) == digest(whole.weights)
