import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdexp.ground.errors import ConfigError, DiskError
from sdexp.ground.store import Arrays, Store, default_root, digest
from sdexp.ground.store_keeping import entries, remove

KEY = "k" * 64
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
    (tmp_path / "file").touch()
    monkeypatch.setenv("SDEXP_STORE", str(tmp_path / "file"))
    with pytest.raises(ConfigError, match=r"^SDEXP_STORE=.*/file: is a file; name a folder"):
        default_root()
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
