from pathlib import Path
from typing import Any

from sdexp.dataset.pocket import Pocket
from sdexp.engine.recorder import Recorder, opened_data
from sdexp.ground.run import RunFolder
from tests.records import logged, write_log


def recorder(run: RunFolder, is_main: bool = True) -> Recorder:
    return Recorder(run, {}, {}, "train", is_main)


def test_numbers_stand_in_the_log_in_their_order(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    made = recorder(run)
    made.scalars("train", {"loss": 0.5, "grad_norm": 2.0}, step=1, epoch=0.25)
    made.scalars("validation", {"loss": 0.75}, step=2, epoch=0.5)
    made.close()
    rows: list[dict[str, Any]] = logged(run.log)
    assert [(r["split"], r["name"], r["value"], r["step"], r["epoch"]) for r in rows] == [
        ("train", "loss", 0.5, 1, 0.25),
        ("train", "grad_norm", 2.0, 1, 0.25),
        ("validation", "loss", 0.75, 2, 0.5),
    ]
    assert rows[0]["time"] == rows[1]["time"] <= rows[2]["time"]


def test_what_other_files_hold_is_not_logged(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    write_log(run.log, [{"step": 4}])
    made = recorder(run)
    made.tracked("evaluation", {"kid/p": 0.5})
    made.images("a", [], 4)
    made.table("pairs", ["a"], [[1]])
    made.close()
    assert len(logged(run.log)) == 1


def test_only_the_main_process_speaks(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    made = recorder(run, is_main=False)
    made.scalars("train", {"loss": 0.5}, step=1, epoch=0.25)
    made.tracked("evaluation", {"kid/p": 0.5})
    made.close()
    assert list(tmp_path.iterdir()) == []


def test_a_split_is_told_with_all_its_captions() -> None:
    data = Pocket("crayon", 5, 2, 2).open("train")
    told = opened_data(data)
    assert told.pictures == 5 and told.manifest == data.manifest()
    assert told.captions == sum(len(data[k].captions) for k in range(5)) >= 5
    assert told.dropped == told.repaired == []
