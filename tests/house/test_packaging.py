import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

CHECKOUT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())
NOT_IN_THE_LOCK = {"sdexp"}


def test_every_package_is_in_the_wheel() -> None:
    folders = {file.parent for file in (CHECKOUT / "sdexp").rglob("__init__.py")}
    names = {".".join(folder.relative_to(CHECKOUT).parts) for folder in folders}
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == names | {"sdexp.conf"}


@pytest.mark.parametrize("target", PROJECT["project"]["scripts"].values())
def test_every_console_script_is_there(target: str) -> None:
    module, _, function = target.partition(":")
    assert callable(getattr(import_module(module), function))


def test_the_lock_pins_every_direct_dependency() -> None:
    lines = (CHECKOUT / "constraints.txt").read_text().splitlines()
    pins = dict(line.split("==") for line in lines if not line.startswith("#"))
    locked = {name.lower().replace("_", "-") for name in pins}
    extras = PROJECT["project"]["optional-dependencies"]
    assert "sdexp[app]" in extras["dev"]
    wanted = PROJECT["project"]["dependencies"] + extras["dev"] + extras["app"]
    names = {requirement.partition(">=")[0] for requirement in wanted} - {"sdexp[app]"}
    assert names - locked == set()
    assert not locked & NOT_IN_THE_LOCK
