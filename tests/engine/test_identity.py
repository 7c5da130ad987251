import os
import shutil
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from sdexp.engine import identity
from sdexp.engine.identity import KIND, Identity
from sdexp.ground.assets import ASSETS
from sdexp.ground.errors import DataError
from sdexp.ground.fingerprints import NetworkState, SeenFile
from sdexp.ground.store import Store
from sdexp.recipes import build_recipes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint of one's own."""
    return Path(shutil.copytree(ASSETS / "pocket-sd", tmp_path / "mine"))


@pytest.fixture
def load(folder: Path, config: Any) -> Any:
    named = f"model.pretrained_model_name_or_path={folder}"
    return lambda: build_recipes(config(named)).model.load("cpu")


def change_last_byte(folder: Path) -> None:
    """Of the weights in a folder."""
    file = next(folder.glob("*.safetensors"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


def entries(store: Store) -> int:
    return len(list((store.root / KIND).rglob("*.bin")))


def test_the_second_command_knows_what_the_first_measured(
    load: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Identity(load(), store)
    assert first.prints == load().fingerprints()
    first.verify()
    started = threading.Event()
    hash_it = NetworkState.sha256

    def late(state: NetworkState) -> str:
        started.wait()
        return hash_it(state)

    monkeypatch.setattr(NetworkState, "sha256", late)
    model = load()
    second = Identity(model, store)
    # Nothing is measured yet.
    assert second.prints == first.prints == model.fingerprints()
    assert model.encoder_sha256() == first.prints["vae"]
    started.set()
    second.verify()
    assert second.prints == first.prints


def test_only_what_is_verified_is_remembered(load: Any, store: Store) -> None:
    first = Identity(load(), store)
    assert entries(store) == 0
    first.verify(["vae", "nothing"])
    assert entries(store) == 1
    first.verify()
    assert entries(store) == 3


def test_what_is_attached_or_changed_later_counts_for_nothing(load: Any, store: Store) -> None:
    model = load()
    wanted = load().fingerprints()
    identity_ = Identity(model, store)
    unet = model.modules()["unet"]
    identity_.verify_before(unet.parameters())
    for parameter in unet.parameters():
        parameter.data.add_(1)
    model.modules()["text_encoder"].extra = torch.nn.Linear(2, 2)
    identity_.verify()
    assert identity_.prints == wanted


def test_only_networks_that_change_are_waited_for(load: Any, store: Store) -> None:
    model = load()
    one = Identity(model, store)
    one.verify_before([torch.nn.Parameter(torch.ones(3))])
    assert entries(store) == 0
    one.verify_before([next(iter(model.modules()["unet"].parameters()))])
    assert entries(store) == 1


def test_a_changed_file_is_measured_anew(load: Any, folder: Path, store: Store) -> None:
    before = Identity(load(), store)
    before.verify()
    change_last_byte(folder / "unet")
    after = Identity(load(), store)
    after.verify()
    changed = [name for name in after.prints if after.prints[name] != before.prints[name]]
    assert changed == ["unet"] and after.prints == load().fingerprints()


def test_other_bytes_under_the_same_time_are_found_and_forgotten(
    load: Any, folder: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(file: SeenFile, settings: str) -> str:
        return file.path.parent.name.ljust(64, "0")

    monkeypatch.setattr(identity, "_key", key)
    before = Identity(load(), store)
    before.verify()
    change_last_byte(folder / "vae")
    taken = Identity(load(), store)
    assert taken.prints == before.prints
    taken.verify(["unet"])
    with pytest.raises(DataError, match="vae.*changed under the same size and times"):
        taken.verify()
    again = Identity(load(), store)
    again.verify()
    assert again.prints == load().fingerprints() != before.prints


def test_a_copy_is_another_file_with_the_same_prints(load: Any, folder: Path, store: Store) -> None:
    first = Identity(load(), store)
    first.verify()
    moved = folder.with_name("moved")
    os.rename(folder, moved)
    shutil.copytree(moved, folder)
    second = Identity(load(), store)
    second.verify()
    assert second.prints == first.prints
    assert entries(store) == 6


def test_what_was_replaced_while_it_was_used_is_not_remembered(
    load: Any, folder: Path, store: Store
) -> None:
    model = load()
    file = next((folder / "vae").glob("*.safetensors"))
    file.touch()
    Identity(model, store).verify()
    assert entries(store) == 2


def test_neither_a_vanished_file_nor_a_full_store_stops_a_run(
    load: Any, folder: Path, store: Store
) -> None:
    one = Identity(load(), store)
    shutil.rmtree(folder / "unet")
    store.root.mkdir(parents=True, exist_ok=True)
    (store.root / KIND).write_text("in the way")
    one.verify()
    assert set(one.prints) >= {"unet", "vae", "text_encoder"}
