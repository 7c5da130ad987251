import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdexp.ground.errors import DiskError
from sdexp.ground.store import Arrays, Store, default_root, digest
from sdexp.ground.store_keeping import damaged, entries, holdings, remove, stale, to_prune

KEY = "k" * 64
DAY = 24 * 3600
NOBODY = 65534


def test_round_trip(store: Store) -> None:
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2, np.uint8)}
    assert store.get("moments", "k" * 64) is None
    store.put("moments", "k" * 64, arrays)
    found = store.get("moments", "k" * 64)
    assert found is not None
    assert all((found[name] == arrays[name]).all() for name in arrays)


@pytest.mark.parametrize("place", [0, 40, -1])
def test_damaged_bytes_are_never_served(store: Store, place: int) -> None:
    store.put("moments", "k" * 64, {"a": np.zeros(8, np.float32)})
    path = store.path("moments", "k" * 64)
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)
    assert store.get("moments", "k" * 64) is None
    assert not path.exists()


def test_truncated_entries_are_never_served(store: Store) -> None:
    store.put("moments", "k" * 64, {"a": np.zeros(8, np.float32)})
    path = store.path("moments", "k" * 64)
    path.write_bytes(path.read_bytes()[:50])
    assert store.get("moments", "k" * 64) is None


def test_digests_keep_parts_apart() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest(b"a") == digest("a")


def test_the_environment_names_the_place(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SDEXP_STORE", str(tmp_path))
    assert default_root() == tmp_path
    monkeypatch.delenv("SDEXP_STORE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_root() == tmp_path / "sdexp" / "store"


@pytest.fixture
def public_store() -> Iterator[Store]:
    """A store in a folder that every user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Store(Path(folder) / "store")


@contextmanager
def as_a_reader(store: Store) -> Iterator[None]:
    """Without the right to write; root, whom no mode stops, becomes nobody for a while."""
    folders = [store.root, *(path for path in store.root.rglob("*") if path.is_dir())]
    user = os.geteuid()
    for folder in folders:
        folder.chmod(0o555)
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        for folder in folders:
            folder.chmod(0o755)


def test_reading_is_a_use(store: Store) -> None:
    store.put("moments", KEY, {"a": np.zeros(8, np.float32)})
    os.utime(store.path("moments", KEY), (1, 1))
    before = time.time()
    assert store.get("moments", KEY) is not None
    assert entries(store)[0].used > before - 2


def test_a_store_that_may_only_be_read_serves_and_refuses(
    public_store: Store,
) -> None:
    store, bad = public_store, "b" * 64
    for key in (KEY, bad):
        store.put("moments", key, {"a": np.zeros(8, np.float32)})
    store.path("moments", bad).write_bytes(b"damaged")
    with as_a_reader(store):
        assert store.get("moments", KEY) is not None
        assert store.get("moments", bad) is None
        made = {"a": np.zeros(1, np.float32)}
        assert store.get_or_make("moments", KEY, lambda: made)[1]
        for write in (
            lambda: store.put("moments", "c" * 64, made),
            lambda: store.get_or_make("moments", "c" * 64, lambda: made),
            lambda: remove(entries(store)),
        ):
            with pytest.raises(DiskError, match="cannot be (written|removed)"):
                write()


def make_slowly(root: Path, number: int) -> None:
    def make() -> Arrays:
        (root / f"made_by_{number}").touch()
        time.sleep(0.3)
        return {"a": np.full(3, number)}

    arrays, found = Store(root).get_or_make("moments", KEY, make)
    (root / f"got_{number}_{int(found)}_{arrays['a'][0]}").touch()
    assert "torch" not in sys.modules


def hold(root: Path) -> None:
    with Store(root).lock("moments", KEY, wait=True) as held:
        (root / f"held_{held}").touch()
        time.sleep(60)


def start(work: Callable[..., None], *arguments: Any) -> Any:
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    return process


def test_processes_at_once_make_an_entry_once(store: Store) -> None:
    store.root.mkdir()
    processes = [start(make_slowly, store.root, number) for number in range(3)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    maker = [path.name.removeprefix("made_by_") for path in store.root.glob("made_by_*")]
    assert len(maker) == 1
    got = sorted(path.name.split("_")[2:] for path in store.root.glob("got_*"))
    assert got == [["0", *maker], ["1", *maker], ["1", *maker]]


def test_a_lock_is_told_and_freed_when_its_holder_is_killed(store: Store) -> None:
    store.root.mkdir()
    holder = start(hold, store.root)
    deadline = time.monotonic() + 60
    while not (store.root / "held_True").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    with store.lock("moments", KEY, wait=False) as held:
        assert not held
    with store.lock("moments", "a" * 64, wait=False) as held:
        assert held
    holder.kill()
    holder.join()
    with store.lock("moments", KEY, wait=False) as held:
        assert held


def test_a_failed_maker_leaves_no_entry_and_no_lock(store: Store) -> None:
    def fail() -> Arrays:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.get_or_make("moments", KEY, fail)
    made = {"a": np.zeros(1, np.float32)}
    assert store.get_or_make("moments", KEY, lambda: made) == (made, False)


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
