import importlib.metadata

import house_rules
import pytest

from sdexp import __main__
from sdexp.launch.show import doors


def test_every_door_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert set(doors()) == set(house_rules.DOORS)
    assert __main__.main([]) == 0
    assert "python -m sdexp.generate run=... prompt=" in capsys.readouterr().out


def test_the_version_is_our_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert __main__.main(["--version"]) == 0
    assert capsys.readouterr().out == f"sdexp {importlib.metadata.version('sdexp')}\n"
