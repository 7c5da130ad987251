"""A run goes on only with what it began with; how one begins is seen in whole runs."""

from pathlib import Path

import pytest

from sdexp.engine.plan.begin import check_unchanged
from sdexp.engine.train.checkpoint import Checkpoint, save_checkpoint
from sdexp.ground.errors import DataError
from sdexp.ground.records import RunRecord
from sdexp.ground.run import RunFolder
from tests.records import split


@pytest.mark.parametrize("manifest, unet", [("other", "b"), ("a", "other")])
def test_a_run_goes_on_with_the_data_and_weights_that_it_began_with(
    tmp_path: Path, manifest: str, unet: str
) -> None:
    run = RunFolder(tmp_path)
    run.write_record(RunRecord(data={"train": split("a")}, base_weights={"unet": "b"}))
    check_unchanged(run, {"unet": "b"}, "a")
    save_checkpoint(run.checkpoints, Checkpoint(1, {"trained": {}}, {}), keep=1)
    check_unchanged(run, {"unet": "b"}, "a")
    with pytest.raises(DataError, match="changed since th"):
        check_unchanged(run, {"unet": unet}, manifest)
