from pathlib import Path

import pytest

from sdexp import report as door
from tests.pages.sweep_folders import make_sweep


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    return make_sweep(tmp_path)


def test_the_door_takes_one_run_or_many(
    sweep: Path, empty_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert door.main([f"runs={sweep}"]) == 0
    assert f"report: {sweep / 'report.html'}" in capfd.readouterr().out
    assert door.main([f"runs=[{sweep}/0,{sweep}/2]"]) == 0
    written = Path(capfd.readouterr().out.strip().partition("report: ")[2])
    assert written.parent.name.endswith("_comparison") and written.is_file()
    assert (written.parent / "runs.csv").read_text().count("\n") == 3
    (sweep / "empty").mkdir()
    wrong = {
        (): "run: a value is missing",
        ("run=a", "runs=b"): "run=a beside runs=b: name only one",
        (f"runs={sweep}/empty",): f"runs={sweep}/empty: no run folder",
        (f"runs={sweep}/0",): "is itself a run folder; use run=",
        ("runs=absent",): "runs=absent: no run folder",
        ("runs=[absent]",): "runs=absent: no run folder",
    }
    for arguments, words in wrong.items():
        assert door.main(list(arguments)) == 2
        error = capfd.readouterr().err
        assert words in error and error.count("\n") == 1
