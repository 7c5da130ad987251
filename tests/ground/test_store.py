from pathlib import Path

import numpy as np
import pytest

from sdexp.ground.store import Store, default_root, digest


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
