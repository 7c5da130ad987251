from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdexp.engine.saved import check_saved, describe
from sdexp.ground.errors import DataError
from sdexp.ground.records import RunRecord
from sdexp.ground.run import RunFolder


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path)
    run.weights.mkdir()
    tensors = {"a": torch.ones(2, 3), "b": torch.ones(1)}
    save_file(tensors, run.weights / "w.safetensors", metadata={"alpha": "8"})
    (run.weights / "config.json").write_text("{}")
    run.write_record(RunRecord(weights=describe(run.weights)))
    return run


def rewrite(run: RunFolder, tensors: dict[str, torch.Tensor], alpha: str = "8") -> None:
    save_file(tensors, run.weights / "w.safetensors", metadata={"alpha": alpha})


def test_what_was_saved_is_described_and_holds(run: RunFolder) -> None:
    record = run.read_record().weights
    assert record["w.safetensors"].shapes == {"a": [2, 3], "b": [1]}
    assert record["config.json"].shapes == {}
    check_saved(run)


def test_whatever_was_changed_is_told(run: RunFolder) -> None:
    file = run.weights / "w.safetensors"
    tensors = load_file(file)
    rewrite(run, {"a": tensors["a"]})
    with pytest.raises(DataError, match="1 of 2 tensors missing, 0 unexpected, first: b"):
        check_saved(run)
    rewrite(run, {"a": tensors["a"][:1], "b": tensors["b"], "c": tensors["b"].clone()})
    with pytest.raises(DataError, match="0 of 2 tensors missing, 2 unexpected, first: a"):
        check_saved(run)
    rewrite(run, tensors, alpha="80")
    with pytest.raises(DataError, match="other values or other metadata"):
        check_saved(run)
    file.write_bytes(b"rubbish")
    with pytest.raises(DataError, match="it cannot be read"):
        check_saved(run)
    file.unlink()
    with pytest.raises(DataError, match=r"w\.safetensors: missing; put it back, or remove"):
        check_saved(run)
