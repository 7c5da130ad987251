import os
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from sdexp.ground.store import Store, digest
from sdexp.ground.store_keeping import damaged, entries, holdings, remove, stale, to_prune

KEY = "k" * 64
DAY = 24 * 3600


def fill(store: Store, ages: list[float]) -> list[Path]:
    """Entries of equal size that were last used so many days ago."""
    paths = []
    for number, age in enumerate(ages):
        key = digest(str(number))
        store.put("moments" if number % 2 else "pictures", key, {"a": np.zeros(250, np.float32)})
        paths.append(store.path("moments" if number % 2 else "pictures", key))
        os.utime(paths[-1], (time.time() - age * DAY,) * 2)
    return paths


def test_holdings_agree_with_the_disk(store: Store) -> None:
    paths = fill(store, [3, 1, 2])
    with store.lock("moments", KEY, wait=True):
        held = {one.kind: one for one in holdings(store)}
    assert {kind: one.entries for kind, one in held.items()} == {"pictures": 2, "moments": 1}
    counted = subprocess.run(["du", "-cb", *paths], capture_output=True, text=True, check=True)
    assert sum(one.size for one in held.values()) == int(counted.stdout.split()[-2])
    pictures = held["pictures"]
    assert (pictures.oldest, pictures.newest) == pytest.approx(
        (time.time() - 3 * DAY, time.time() - 2 * DAY), abs=60
    )
    assert holdings(Store(store.root / "absent")) == []


@pytest.mark.parametrize(
    "days, sizes, gone", [(2.5, None, {0, 3}), (None, 2, {0, 3}), (3.5, 1, {0, 3, 2}), (9, 9, ())]
)
def test_the_longest_unused_are_pruned(
    store: Store, days: float | None, sizes: int | None, gone: set[int]
) -> None:
    paths = fill(store, [4, 1, 2, 3])
    size = paths[0].stat().st_size
    chosen = to_prune(store, days, None if sizes is None else sizes * size)
    assert {paths.index(entry.path) for entry in chosen} == set(gone)
    remove(chosen)
    remove(chosen)
    assert {paths.index(entry.path) for entry in entries(store)} == {0, 1, 2, 3} - set(gone)


def test_damage_and_remains_are_found_and_nothing_else(store: Store) -> None:
    paths = fill(store, [1, 1, 1])
    data = bytearray(paths[1].read_bytes())
    data[-1] ^= 1
    paths[1].write_bytes(data)
    old, new = (paths[0].with_name(f".tmp-{name}") for name in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (time.time() - 7200,) * 2)
    read, bad = damaged(store)
    assert read == 3 and [entry.path for entry in bad] == [paths[1]]
    assert [entry.path for entry in stale(store)] == [old]
