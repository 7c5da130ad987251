"""Training against a frozen tower."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sdexp.backbone.clip import Clip
from sdexp.engine.train.losses import ItemBatch
from sdexp.engine.train.setup import set_up
from sdexp.engine.train.tower import Tower, check_width
from sdexp.ground.errors import ConfigError
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.objective.clip_contrastive import ClipContrastive
from tests.checkpoints import of
from tests.commands import digest
from tests.finetune.pocket import original
from tests.training import trainer_of

WORDS = (
    "finetune=text_encoder", "objective=clip_contrastive", "debug=fast", "evaluation=none",
    "training.train_batch_size=8", "training.max_train_steps=20", "optimizer.lr=1e-3",
    "training.validation_steps=20", "training.validation_images_steps=null",
)  # fmt: skip


def losses(run: RunFolder, split: str) -> list[float]:
    from sdexp.ground.log import read_log

    return [row.value for row in read_log(run.log).rows if (row.split, row.name) == (split, "loss")]


def test_features_of_samples_are_those_of_their_squares(
    new_run: Any, recipes: Any, store: Store
) -> None:
    setup = set_up(new_run("run"), recipes(*WORDS), store)
    items = [setup.pictures[(0, index)] for index in range(3)]
    squares = np.stack([item.view.pixels.permute(1, 2, 0).numpy() for item in items])
    expected = Clip("pocket-clip").start("cpu").images(squares)
    assert isinstance(setup.loss_of.tower, Tower)
    found = setup.loss_of.tower(items)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(setup.loss_of.tower(items), found)


def test_captions_come_closer_to_their_pictures(new_run: Any, recipes: Any, store: Store) -> None:
    made = recipes(*WORDS)
    before = original().fingerprints()
    run = new_run("run")
    trainer = trainer_of(run, made, store)
    item = trainer.setup.pictures[(0, 0)]
    others = [trainer.setup.pictures[(0, index)] for index in range(1, 8)]
    with torch.no_grad():
        start = float(trainer.setup.loss_of([item, *others]).mean())
    trainer.train()
    with torch.no_grad():
        end = float(trainer.setup.loss_of([item, *others]).mean())
    assert end < 0.9 * start
    assert len(losses(run, "train")) == 20
    first, *_, last = losses(run, "validation")
    assert last < first
    trainer.setup.model.weights_changed()
    after = trainer.setup.model.fingerprints()
    assert [name for name in before if before[name] != after[name]] == ["text_encoder"]
    # The same from a store that is full, and without one.
    again = new_run("again")
    trainer_of(again, recipes(*WORDS), store).train()
    other = new_run("other")
    trainer_of(other, recipes(*WORDS), Store(other.path / "store")).train()
    assert digest(run.weights) == digest(again.weights) == digest(other.weights)


def test_captions_of_one_picture_are_no_negatives(new_run: Any, recipes: Any, store: Store) -> None:
    setup = set_up(new_run("run"), recipes(*WORDS, "dataset.sample_unit=caption"), store)
    items = [setup.pictures[(0, index)] for index in range(12)]
    pictures = [item.picture_id for item in items]
    assert len(set(pictures)) < len({item.sample_id for item in items}) == 12
    batch = ItemBatch(setup.loss_of, items, "train")
    alone = ClipContrastive(0.0, "clip")._no_negatives(batch)
    same = torch.tensor([[a == b for b in pictures] for a in pictures])
    assert (alone >= same & ~torch.eye(12, dtype=torch.bool)).all()


def test_what_the_store_gets_does_not_depend_on_the_precision(
    new_run: Any, recipes: Any, store: Store
) -> None:
    """Runs of other precisions read it."""
    found = {}
    for name in ("full", "half"):
        own = Store(store.root / name)
        tower = set_up(new_run(f"{name} tower"), recipes(*WORDS), own)
        plain = set_up(new_run(f"{name} plain"), recipes("debug=fast"), own)
        items = [[one.pictures[(0, index)] for index in range(2)] for one in (tower, plain)]
        with torch.autocast("cpu", torch.bfloat16, enabled=name == "half"):
            found[name, "features"] = ItemBatch(tower.loss_of, items[0], "train").image_features()
            found[name, "latents"] = ItemBatch(plain.loss_of, items[1], "train").latents()
    for what in ("features", "latents"):
        assert torch.equal(found["half", what], found["full", what])


def test_a_tower_of_another_width_is_refused(folders: dict[str, Path]) -> None:
    tower = Clip("pocket-clip")
    check_width(tower, "clip", original())
    for family in ("sd1", "sdxl"):
        with pytest.raises(ConfigError, match="pocket-clip are 96 wide, .* text encoder 16; name"):
            check_width(tower, "clip", of(folders, family).load("cpu"))
