import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from sdexp.engine import identity
from sdexp.engine.identity import KIND, Identity
from sdexp.ground.assets import ASSETS
from sdexp.ground.errors import DataError
from sdexp.ground.fingerprints import SeenFile
from sdexp.ground.store import Store
from sdexp.model import latent_diffusion
from sdexp.model.base import LoadedModel
from sdexp.recipes import build_recipes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint of one's own."""
    return Path(shutil.copytree(ASSETS / "pocket-sd", tmp_path / "mine"))


@pytest.fixture
def load(folder: Path, config: Any) -> Any:
    named = f"model.pretrained_model_name_or_path={folder}"
    return lambda: build_recipes(config(named)).model.load("cpu")


def measured(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which networks are hashed in memory from now on."""
    seen: list[str] = []
    names = {id(module): name for name, module in model.modules().items()}

    def hashed(module: Any, config: Any) -> str:
        seen.append(names[id(module)])
        return "0" * 64

    monkeypatch.setattr(latent_diffusion, "network_sha256", hashed)
    return seen


def test_the_second_command_knows_what_the_first_measured(
    load: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Identity(load(), store)
    assert first.prints == load().fingerprints()
    first.verify()
    model = load()
    seen = measured(model, monkeypatch)
    second = Identity(model, store)
    second.verify()
    assert second.prints == first.prints and not seen


def test_nothing_is_remembered_before_it_is_verified(
    load: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Identity(load(), store)
    first.verify(["vae"])
    model = load()
    seen = measured(model, monkeypatch)
    Identity(model, store)
    assert sorted(seen) == ["text_encoder", "unet"]


def test_a_changed_file_is_measured_anew(load: Any, folder: Path, store: Store) -> None:
    before = Identity(load(), store)
    before.verify()
    file = next((folder / "unet").glob("*.safetensors"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
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
    file = next((folder / "vae").glob("*.safetensors"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    taken = Identity(load(), store)
    assert taken.prints == before.prints
    taken.verify(["unet"])
    with pytest.raises(DataError, match="vae.*changed under the same size and time"):
        taken.verify()
    again = Identity(load(), store)
    again.verify()
    assert again.prints == load().fingerprints() != before.prints


def test_a_copy_is_another_file_with_the_same_prints(load: Any, folder: Path, store: Store) -> None:
    first = Identity(load(), store)
    first.verify()
    entries = len(list((store.root / KIND).rglob("*.bin")))
    moved = folder.with_name("moved")
    os.rename(folder, moved)
    shutil.copytree(moved, folder)
    second = Identity(load(), store)
    second.verify()
    assert second.prints == first.prints
    assert len(list((store.root / KIND).rglob("*.bin"))) == 2 * entries == 6


def test_what_was_replaced_while_it_was_used_is_not_remembered(
    load: Any, folder: Path, store: Store
) -> None:
    model = load()
    file = next((folder / "vae").glob("*.safetensors"))
    file.touch()
    Identity(model, store).verify()
    assert len(list((store.root / KIND).rglob("*.bin"))) == 2
