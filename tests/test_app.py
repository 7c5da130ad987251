"""The door of the service; what it serves is tested beside its rooms."""

from pathlib import Path

import pytest

from sdexp import app
from tests.commands import fault


def test_a_folder_that_is_not_there_is_named(
    capfd: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    line = fault(capfd, 2, door=app)
    assert line.startswith("error: runs=outputs: no such folder") and "sdexp.train" in line
    assert "runs is empty" in fault(capfd, 2, "runs=", door=app)


def test_others_need_a_token(
    capfd: pytest.CaptureFixture[str], empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SDEXP_APP_TOKEN", raising=False)
    assert "SDEXP_APP_TOKEN" in fault(capfd, 2, "runs=.", "host=0.0.0.0", door=app)


def test_without_its_packages_it_says_how_to_get_them(
    capfd: pytest.CaptureFixture[str], empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "NEEDED", ("fastapi", "a_package_that_is_not_there"))
    line = fault(capfd, 2, "runs=.", door=app)
    assert line == "error: a_package_that_is_not_there is missing: pip install 'sdexp[app]'"


def test_a_mistyped_key_is_told(capfd: pytest.CaptureFixture[str], empty_folder: Path) -> None:
    assert "did you mean" in fault(capfd, 2, "prot=80", door=app)
