from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from sdexp.finetune.whole import Whole
from sdexp.ground.errors import ConfigError, DataError
from tests.checkpoints import of
from tests.finetune.pocket import original


@pytest.mark.parametrize("name", ["unet", "text_encoder"])
def test_one_deleted_or_renamed_tensor_is_an_error(name: str, tmp_path: Path) -> None:
    finetune, model = Whole([name], {}, None), original()
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


def test_layers_are_chosen_by_parts_of_names(folders: dict[str, Path]) -> None:
    model = of(folders, "sdxl").load("cpu")
    trained = Whole(["unet"], {}, ["attn2."]).attach(model)
    assert trained and all(".attn2." in name for name in trained)
    assert sum(p.requires_grad for p in model.modules()["unet"].parameters()) == len(trained)
    with pytest.raises(ConfigError, match=r"finetune.layers=\['attn9'\]: no tensor of unet"):
        Whole(["unet"], {}, ["attn9"]).attach(model)


def test_what_the_family_never_reads_does_not_train(folders: dict[str, Path]) -> None:
    model = of(folders, "sdxl").load("cpu")
    trained = Whole(["text_encoder"], {}, None).attach(model)
    assert not [name for name in trained if "layers.2." in name or "final_layer_norm" in name]
    assert len([name for name in trained if "layers.1." in name]) == 16
