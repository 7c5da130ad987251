import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdexp.engine.plan.disk import Needs, check_disk, check_run_disk, needs_of
from sdexp.engine.plan.sizes import memory_of
from sdexp.engine.train.setup import set_up
from sdexp.ground.errors import DiskError
from sdexp.ground.store import Store
from tests.engine.plan.sizes import folder_bytes
from tests.training import trainer_of


def test_a_disk_that_is_too_small_is_refused(
    planned: Any, new_run: Any, recipes: Any, store: Store
) -> None:
    huge = (
        "training.checkpoints_total_limit=1000000000", "training.max_train_steps=1000000000",
        "training.checkpointing_steps=1", "training.validation_images_steps=null",
    )  # fmt: skip
    with pytest.raises(DiskError, match="lower training.checkpoints_total_limit or") as caught:
        planned(*huge)
    assert caught.value.exit_code == 74 and "\n" not in str(caught.value)
    run = new_run("real", *huge)
    with pytest.raises(DiskError, match=f"{run.path}: the run may need"):
        check_run_disk(run, set_up(run, recipes(*huge), store))
    run = new_run("small")
    check_run_disk(run, set_up(run, recipes(), store))


def test_run_and_store_share_a_disk_or_not(tmp_path: Path) -> None:
    needs = Needs(checkpoint=0, checkpoints=2, weights=1000, pictures=0, present=0)
    store, place = Store(tmp_path / "a" / "store"), tmp_path / "b" / "run"
    free = os.statvfs(tmp_path)
    free_bytes = free.f_bavail * free.f_frsize
    huge = replace(needs, weights=free_bytes * 3 // 4)
    check_disk(huge, place, store, 0)
    with pytest.raises(DiskError, match="together"):
        check_disk(huge, place, store, huge.weights)
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("one file system only")
    check_disk(huge, place, Store(elsewhere), 1)
    with pytest.raises(DiskError, match=r"^/dev/shm: the store .* action=prune"):
        check_disk(huge, place, Store(elsewhere), 10**15)


def test_checkpoints_that_are_there_need_no_new_room(
    new_run: Any, recipes: Any, store: Store
) -> None:
    run = new_run("run")
    first = trainer_of(run, recipes(), store)
    setup = first.setup
    memory = memory_of(setup)
    before = needs_of(setup, setup.timetable, memory, [], run.path)
    assert before.present == 0 and before.checkpoints == 3
    first.train()
    after = needs_of(setup, setup.timetable, memory, [], run.path)
    assert after.present == folder_bytes(run.checkpoints)
    assert after.run == before.run - after.present
