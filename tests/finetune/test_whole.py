from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from sdexp.finetune.whole import Whole
from sdexp.ground.errors import DataError
from tests.finetune.pocket import original


@pytest.mark.parametrize("name", ["unet", "text_encoder"])
def test_one_deleted_or_renamed_tensor_is_an_error(name: str, tmp_path: Path) -> None:
    finetune, model = Whole([name], {}), original()
    finetune.attach(model)
    finetune.save(model, tmp_path)
    file = next(tmp_path.rglob("*.safetensors"))
    tensors = load_file(file)
    key = sorted(tensors)[3]
    value = tensors.pop(key)
    save_file(tensors, file, metadata={"format": "pt"})
    applied = finetune.restore(original(), tmp_path).applied
    assert len(applied.missing) == 1
    save_file(tensors | {f"{key}x": value}, file, metadata={"format": "pt"})
    with pytest.raises(DataError, match="1 tensors missing and 1 unexpected"):
        finetune.restore(original(), tmp_path).applied.check("weights")
