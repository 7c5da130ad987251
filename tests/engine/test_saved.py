from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdexp.engine.saved import check_weights, describe
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
    check_weights(run, [], notes=True)


def test_whatever_was_changed_is_told(run: RunFolder) -> None:
    file = run.weights / "w.safetensors"
    tensors = load_file(file)
    rewrite(run, {"a": tensors["a"]})
    with pytest.raises(DataError, match="1 of 2 tensors missing, 0 unexpected, first: b"):
        check_weights(run, [], notes=True)
    rewrite(run, {"a": tensors["a"][:1], "b": tensors["b"], "c": tensors["b"].clone()})
    with pytest.raises(DataError, match="0 of 2 tensors missing, 2 unexpected, first: a"):
        check_weights(run, [], notes=True)
    rewrite(run, tensors, alpha="80")
    with pytest.raises(DataError, match="other values or other metadata"):
        check_weights(run, [], notes=True)
    file.write_bytes(b"rubbish")
    with pytest.raises(DataError, match="it cannot be read"):
        check_weights(run, [], notes=True)
    file.unlink()
    with pytest.raises(DataError, match=r"w\.safetensors: missing; put it back, or remove"):
        check_weights(run, [], notes=True)


def test_files_from_elsewhere_are_noted_once(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.write_record(RunRecord())
    given = tmp_path / "elsewhere.safetensors"
    save_file({"a": torch.ones(2)}, given)
    check_weights(run, [given], notes=False)
    assert not run.read_record().weights
    check_weights(run, [given], notes=True)
    assert list(run.read_record().weights) == [str(given)]
    save_file({"a": torch.zeros(2)}, given)
    with pytest.raises(DataError, match="not what the training wrote or was given"):
        check_weights(run, [given], notes=True)
    given.unlink()
    with pytest.raises(DataError, match=r"missing; put it back, or name it with finetuned="):
        check_weights(run, [given], notes=True)
