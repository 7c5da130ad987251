from pathlib import Path

import pytest
from huggingface_hub import constants

from sdexp.ground.assets import ASSETS, check_weights, is_embedded, located, public_name
from sdexp.ground.errors import DataError

KEY = "evaluation.scorer"


@pytest.fixture
def cached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a repository that lies in the Hub's cache."""
    place = tmp_path / "models--owner--name"
    (place / "snapshots" / "abc").mkdir(parents=True)
    (place / "snapshots" / "abc" / "config.json").write_text("{}")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    return "owner/name"


def test_an_embedded_name_is_a_folder_of_the_package() -> None:
    for name in ("pocket-sd", "pocket-clip"):
        assert is_embedded(name) and located(name) == str(ASSETS / name)
        assert Path(located(name)).is_dir()


@pytest.mark.parametrize("name", ["", ".", "..", "absent", "owner/pocket-sd", "./pocket-sd", "/"])
def test_every_other_name_stays(name: str) -> None:
    assert not is_embedded(name) and located(name) == name


def test_a_folder_needs_its_configuration(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"{KEY}={tmp_path}: the folder has no config.json"):
        check_weights(KEY, str(tmp_path), "config.json", False)
    (tmp_path / "config.json").touch()
    check_weights(KEY, str(tmp_path), "config.json", False)
    check_weights(KEY, "pocket-clip", "config.json", False)


@pytest.mark.parametrize("name", ["absent", "./owner/name", "/owner/name", "a/b/c", "~/name"])
def test_what_is_neither_folder_nor_id_is_told(name: str, empty_folder: Path) -> None:
    with pytest.raises(DataError, match=f"{KEY}={name}: no such folder; name a local folder or"):
        check_weights(KEY, name, "config.json", False)


def test_an_id_is_looked_for_in_the_cache_where_the_hub_is_out_of_reach(
    cached: str,
) -> None:
    check_weights(KEY, cached, "config.json", False)
    for name, file in ((cached, "model_index.json"), ("owner/other", "config.json")):
        with pytest.raises(DataError, match=f"{KEY}={name}: not in .*; fetch it with `hf download"):
            check_weights(KEY, name, file, False)
    check_weights(KEY, "owner/other", "config.json", True)


def test_a_public_name_tells_no_place(tmp_path: Path) -> None:
    assert public_name(str(tmp_path)) == tmp_path.name and public_name("owner/name") == "owner/name"
