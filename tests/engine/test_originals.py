from pathlib import Path

import pytest

from sdexp.engine.originals import check_original
from sdexp.ground.errors import DataError
from sdexp.ground.records import RunRecord
from sdexp.ground.run import RunFolder


def test_a_changed_original_is_named(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.write_record(RunRecord())
    check_original(run, {"unet": "a"})
    run.change_record(base_weights={"unet": "a", "vae": "b", "scheduler": "c"})
    check_original(run, {"unet": "a", "vae": "b", "scheduler": "c"})
    with pytest.raises(DataError, match=r"changed since the training \(scheduler, vae\)"):
        check_original(run, {"unet": "a", "vae": "x", "scheduler": "y"})
