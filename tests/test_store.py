"""`python -m sdexp.store` as a person uses it."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdexp import store as door
from sdexp.ground.store import Store, default_root, digest
from tests.commands import fault

KEYS = [digest(str(number)) for number in range(4)]


@pytest.fixture
def filled(own_store: None) -> Store:
    """Four entries, used 0, 10, 20 and 30 days ago."""
    store = Store(default_root())
    for number, key in enumerate(KEYS):
        store.put("moments", key, {"a": np.zeros(1000, np.float32)})
        os.utime(store.path("moments", key), (time.time() - number * 864000,) * 2)
    return store


def told(capfd: pytest.CaptureFixture[str], *argv: str) -> str:
    assert door.main(list(argv)) == 0
    captured = capfd.readouterr()
    assert captured.err == ""
    return captured.out


def test_list_names_place_kinds_and_sizes(filled: Store, capfd: Any) -> None:
    told_lines = told(capfd).splitlines()
    assert told_lines[0] == f"store: {filled.root} (0.02 MB in 4 entries)"
    assert told_lines[1].startswith("  moments: 4 entries, 0.02 MB, last used from ")


def test_an_absent_store_is_empty_and_not_made(capfd: Any, monkeypatch: Any, tmp_path: Any) -> None:
    monkeypatch.setenv("SDEXP_STORE", str(tmp_path / "absent"))
    for argv in ([], ["action=verify"], ["action=prune", "max_gb=0"]):
        assert "0 entries" in told(capfd, *argv)
    assert not (tmp_path / "absent").exists()


def test_verify_removes_and_names_what_is_damaged(filled: Store, capfd: Any) -> None:
    bad = filled.path("moments", KEYS[1])
    bad.write_bytes(bad.read_bytes()[:-1])
    preview = told(capfd, "action=verify", "dry_run=true")
    assert f"damaged, to remove: {bad}" in preview and bad.exists()
    lines = told(capfd, "action=verify")
    assert f"damaged, removed: {bad}" in lines and not bad.exists()
    assert "4 entries read, 1 damaged, 0 unfinished" in lines and "in 3 entries" in lines
    assert "3 entries read, 0 damaged, 0 unfinished" in told(capfd, "action=verify")


def test_prune_says_what_goes(filled: Store, capfd: Any) -> None:
    preview = told(capfd, "action=prune", "older_than_days=15", "dry_run=true")
    assert "would be removed: 2 entries of moments" in preview and "in 4 entries" in preview
    pruned = told(capfd, "action=prune", "older_than_days=15")
    assert "removed: 2 entries of moments" in pruned and "in 2 entries" in pruned
    assert [filled.get("moments", key) is None for key in KEYS] == [False, False, True, True]
    assert "nothing removed" in told(capfd, "action=prune", "max_gb=1")
    assert "removed: 1 entry of moments" in told(capfd, "action=prune", "max_gb=0.000005")
    assert filled.get("moments", KEYS[0]) is not None


@pytest.mark.parametrize(
    "argv, key",
    [
        (["action=prune"], "action=prune"),
        (["action=drop"], "action=drop"),
        (["max_gb=3"], "max_gb=3"),
        (["action=prune", "max_gb=-1"], "max_gb=-1"),
        (["action=prune", "older_than_days=nan"], "older_than_days=nan"),
        (["action=prune", "older_then_days=1"], "did you mean 'older_than_days'?"),
    ],
)
def test_wrong_requests_remove_nothing(
    filled: Store, capfd: Any, argv: list[str], key: str
) -> None:
    assert key in fault(capfd, 2, *argv, door=door)
    assert all(filled.get("moments", k) is not None for k in KEYS)


def test_the_command_needs_no_torch(filled: Store, tmp_path: Path) -> None:
    code = "import sys; from sdexp.store import main; main([]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=tmp_path).returncode == 0
