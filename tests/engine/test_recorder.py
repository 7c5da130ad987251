from pathlib import Path
from typing import Any

from sdexp.engine.recorder import log_numbers
from sdexp.ground.run import RunFolder
from tests.records import logged


def test_numbers_stand_in_the_log_in_their_order(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    log_numbers(run, "train", {"loss": 0.5, "grad_norm": 2.0}, step=1, epoch=0.25)
    log_numbers(run, "validation", {"loss": 0.75}, step=2, epoch=0.5)
    rows: list[dict[str, Any]] = logged(run.log)
    assert [(r["split"], r["name"], r["value"], r["step"], r["epoch"]) for r in rows] == [
        ("train", "loss", 0.5, 1, 0.25),
        ("train", "grad_norm", 2.0, 1, 0.25),
        ("validation", "loss", 0.75, 2, 0.5),
    ]
    assert rows[0]["time"] == rows[1]["time"] <= rows[2]["time"]
