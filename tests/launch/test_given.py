"""Weights from elsewhere through the doors."""

import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from sdexp import evaluate, export, generate, train
from sdexp.ground.assets import ASSETS
from sdexp.ground.errors import ConfigError
from sdexp.ground.record_files import read_record
from sdexp.ground.run import RunFolder
from sdexp.ground.score_records import ScoresRecord
from sdexp.ground.tensors import read_metadata
from sdexp.launch.given import composed_of_weights, names_weights
from tests.commands import fault
from tests.finetune.pocket import lora, original

SMALL = ["debug=fast", "dataset.num_test=8", "metric=[lpips_gt]", "evaluation.primary=lpips_gt"]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """Adapters that change something."""
    model = original()
    strategy = lora(["unet"])
    for parameter in strategy.attach(model).values():
        parameter.data += 0.1
    strategy.save(model, tmp_path / "weights")
    return tmp_path / "weights"


def test_a_command_names_weights() -> None:
    assert names_weights(["original=pocket"]) and names_weights(["finetuned=x"])
    assert not names_weights(["run=x", "pictures.original=y"])
    with pytest.raises(ConfigError, match="finetuned: a value is missing"):
        composed_of_weights(["original=pocket"])


def test_an_original_is_an_option_or_a_place(folders: dict[str, Path]) -> None:
    composed = composed_of_weights(["original=sd14", "finetuned=x"])
    assert composed.choices["model"] == "sd14" and composed.config.finetune.path == "x"
    place = str(folders["sdxl"])
    composed = composed_of_weights([f"original={place}", "finetuned=x"])
    assert composed.config.model["_target_"].endswith("StableDiffusionXL")
    assert composed.config.model.pretrained_model_name_or_path == place
    composed = composed_of_weights([f"original={folders['sd1']}", "finetuned=x", "metric=kid"])
    assert composed.choices["model"] == "stable_diffusion" and list(composed.config.metric) == [
        "kid"
    ]


def test_they_are_evaluated_and_shown_without_a_training(
    weights: Path, empty_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    words = [f"original={ASSETS / 'pocket-sd'}", f"finetuned={weights}", *SMALL, "run_dir=e"]
    assert evaluate.main(words) == 0
    run = RunFolder(empty_folder / "e")
    record = run.read_record()
    assert record.status == "finished" and record.training is None and record.is_trained
    scores = read_record(run.scores, ScoresRecord)
    assert scores.applied is not None and scores.applied.changed == scores.applied.applied > 0
    assert "given / stable_diffusion / pocket" in run.report_html.read_text()
    # As any run it can be looked at again.
    assert generate.main(["run=e", "prompt=a heart", "num_inference_steps=2"]) == 0
    assert evaluate.main(["run=e", "evaluation.replicates=3"]) == 0
    assert len(list(run.evaluations.iterdir())) == 1
    # Not with other weights under the same name.
    file = weights / "pytorch_lora_weights.safetensors"
    tensors = load_file(file)
    save_file({key: tensor * 2 for key, tensor in tensors.items()}, file, read_metadata(file))
    assert evaluate.main(["run=e", "evaluation.replicates=4"]) == 65
    assert "not what the training wrote or was given" in capfd.readouterr().err
    assert export.main(["run=e", "format=kohya"]) == 65 and not (run.path / "export").exists()


def test_a_prompt_is_shown_without_a_run(weights: Path, empty_folder: Path) -> None:
    words = [f"finetuned={weights}", "prompt=a heart", "seeds=[1]", "num_inference_steps=2"]
    assert generate.main([*words, "run_dir=g"]) == 0
    (folder,) = (empty_folder / "g" / "generate").iterdir()
    pictures = [(folder / f"{name}_1.png").read_bytes() for name in ("original", "finetuned")]
    assert pictures[0] != pictures[1]
    assert generate.main(["finetuned=absent", "prompt=a heart"]) == 65
    assert generate.main([f"finetuned={weights}"]) == 2
    assert sorted(path.name for path in empty_folder.iterdir()) == ["g"]


def test_what_is_wrong_with_them_is_told_before_any_picture(
    weights: Path, empty_folder: Path, capfd: pytest.CaptureFixture[str], shared_data: Path
) -> None:
    foreign = shared_data / "lora_files" / "olddiffusers_attnprocs_r4.safetensors"
    words = ["original=pocket", f"finetuned={foreign}", *SMALL]
    assert evaluate.main(words) == 65
    told = capfd.readouterr()
    assert "made for Stable Diffusion 1" in told.err and "pictures of the original" not in told.out
    shutil.rmtree(weights)
    assert evaluate.main([f"finetuned={weights}", *SMALL]) == 65
    assert not [path for path in empty_folder.rglob("*") if path.is_file()]


def test_given_weights_are_not_trained(
    capfd: pytest.CaptureFixture[str], empty_folder: Path
) -> None:
    line = fault(capfd, 2, "finetune=given", "finetune.path=x")
    assert "finetune=given: does not train" in line and not list(empty_folder.iterdir())
    assert train.main(["finetune=given"]) == 2
    capfd.readouterr()
    assert "evaluation.checkpoint=3: a training is" in fault(capfd, 2, "evaluation.checkpoint=3")


@pytest.mark.parametrize("name", ["add detail (1).safetensors", "a,b=c.safetensors"])
def test_a_file_may_have_any_name(name: str) -> None:
    assert composed_of_weights([f"finetuned={name}"]).config.finetune.path == name
