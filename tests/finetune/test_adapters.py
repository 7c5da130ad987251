"""Adapters of every layout, against weights merged by hand."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sdexp.finetune.adapters import Layer, restore_adapters
from sdexp.ground.errors import DataError
from sdexp.ground.sampling import Sampling
from sdexp.model.base import LoadedModel
from sdexp.model.samplers import new_sampler
from tests.adapters import LAYOUTS, RandomLayer, diffusers, kohya, merged_by_hand, random_layers
from tests.checkpoints import draws, of
from tests.finetune.pocket import original
from tests.mutations import Mutations

UNET = ["to_q", "to_k", "to_v", "to_out.0"]
BOTH = [*UNET, "q_proj", "v_proj"]
# Layers of every kind that adapters are made for.
WIDE = [*BOTH, "conv1", "conv_in", "proj_in", "proj_out", "time_emb_proj", "downsamplers.0.conv"]
SAMPLING = Sampling("ddim", 2, 3.0, "", 64, 64)


def picture(model: LoadedModel) -> np.ndarray:
    shape = model.latent_shape(64, 64)
    return model.generate(["a photo of a cat"], draws(shape, 1), SAMPLING).astype(int)


def same_rank(layers: list[RandomLayer]) -> list[RandomLayer]:
    """Layers of rank 2, for files that have no alpha."""
    return [layer for layer in layers if len(layer.down) == 2]


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_does_what_its_numbers_say(
    family: str, layout: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    ends = {"processors": UNET, "peft": UNET, "kohya": WIDE}.get(layout, BOTH)
    model = of(folders, family).load("cpu")
    has_alpha = layout not in ("older", "processors")
    layers = random_layers(model, ends)
    layers = layers if has_alpha else same_rank(layers)
    file = LAYOUTS[layout](model, layers, tmp_path)
    start = picture(model)
    before = model.fingerprints()
    restored = restore_adapters(model, file, None)
    restored.applied.check(str(file))
    assert restored.applied.applied == restored.applied.changed == len(load_file(file))
    expected = of(folders, family).load("cpu")
    merged_by_hand(expected, layers, scaled=has_alpha)
    found = picture(model)
    assert abs(found - picture(expected)).max() <= 1 and abs(found - start).max() > 5
    restored.undo()
    assert model.fingerprints() == before and (picture(model) == start).all()


def test_plain_diffusers_reads_the_same_of_a_file(folders: dict[str, Path], tmp_path: Path) -> None:
    """What other tools show of a file is the reference."""
    from diffusers import StableDiffusionPipeline

    model = of(folders, "sd1").load("cpu")
    # The oldest layout it does not read any more.
    layers = same_rank(random_layers(model, UNET))
    for layout in ("older", "kohya"):
        file = LAYOUTS[layout](model, layers, tmp_path)
        plain = StableDiffusionPipeline.from_pretrained(folders["sd1"], safety_checker=None)
        plain.set_progress_bar_config(disable=True)
        plain.scheduler = new_sampler("ddim", plain.scheduler.config)
        plain.load_lora_weights(tmp_path, weight_name=file.name)
        chance = draws((4, 8, 8), 1)
        expected = plain(
            "a photo of a cat", latents=chance.latents, num_inference_steps=2, guidance_scale=3.0,
            height=64, width=64, output_type="np",
        ).images  # fmt: skip
        restored = restore_adapters(model, file, None)
        np.testing.assert_allclose(picture(model) / 255, expected, atol=1.01 / 255)
        restored.undo()


def test_a_prefix_that_stands_twice_is_understood(folders: dict[str, Path], tmp_path: Path) -> None:
    model = of(folders, "sd1").load("cpu")
    file = kohya(model, random_layers(model, UNET), tmp_path)
    twice = {k.replace("lora_unet_", "lora_unet_unet_"): t for k, t in load_file(file).items()}
    save_file(twice, file)
    restore_adapters(model, file, None).applied.check("file")


def small(tmp_path: Path) -> tuple[LoadedModel, Path, dict[str, torch.Tensor]]:
    model = original()
    file = diffusers(model, random_layers(model, ["attn2.to_k", "attn2.to_q"]), tmp_path)
    return model, file, load_file(file)


def changed(name: str, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """A file with one fault."""
    first = sorted(tensors)[0]
    other = sorted(tensors)[1]
    faults: dict[str, Any] = {
        "half": lambda: {k: t for k, t in tensors.items() if k != first},
        "foreign": lambda: tensors | {"<s1>": torch.ones(8)},
        "zero": lambda: {k: torch.zeros_like(t) for k, t in tensors.items()},
        "nan": lambda: tensors | {first: tensors[first] * float("nan")},
        "narrow": lambda: tensors | {first: tensors[first][:, :3].contiguous()},
        "scalar": lambda: tensors | {first: torch.tensor(1.0)},
        "ranks": lambda: tensors | {
            first: torch.ones(4, tensors[first].shape[1]),
            other: torch.ones(tensors[other].shape[0], 4),
        },
        "numbered": lambda: {"unet:0:down": torch.ones(1, 4), "unet:0:up": torch.ones(4, 1)},
        "lycoris": lambda: {"lora_unet_x.hada_w1_a": torch.ones(2, 2)},
        "sdxl": lambda: {"lora_te2_text_model_x.lora_down.weight": torch.ones(1, 2)},
        "empty": dict,
    }  # fmt: skip
    made: dict[str, torch.Tensor] = faults[name]()
    return made


@pytest.mark.parametrize(
    "fault, message",
    [
        ("half", "1 tensors missing .*the other half of unet"),
        ("foreign", r"0 tensors missing and 1 unexpected \(first: <s1>\)"),
        ("zero", "all 28 tensors equal the original's"),
        ("nan", "lora_A.weight holds values that are no finite numbers"),
        ("narrow", r"1 tensors do not fit \(first: unet.*was made for a text side of width 3|fit"),
        ("scalar", "1 tensors do not fit"),
        ("ranks", "rank 2 and 4 mixed without alpha"),
        ("numbered", "none of 2 tensors fits .*its layers are only numbered"),
        ("lycoris", "lora_unet_x.hada_w1_a is of another method than LoRA"),
        ("sdxl", "it was made for SDXL"),
        ("empty", "no tensor was applied"),
    ],
)
def test_a_fault_is_told_in_one_line(fault: str, message: str, tmp_path: Path) -> None:
    model, file, tensors = small(tmp_path)
    save_file(changed(fault, tensors), file)
    with pytest.raises(DataError, match=message) as caught:
        restore_adapters(model, file, None).applied.check(str(file))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"\r\n", "damaged"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
            "LFS pointer",
        ),
        (b"<!DOCTYPE html><html><body>not found</body></html>", "a page of HTML"),
        (b"PK\x03\x04 and a zip", "a pickle under another name"),
        (b"\x80\x02}q\x00.", "a pickle under another name"),
    ],
)
def test_a_file_that_is_something_else_is_called_so(
    content: bytes, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(content)
    with pytest.raises(DataError, match=message):
        restore_adapters(original(), file, None)


@pytest.mark.parametrize(
    "text", ["{", "[1]", '{"unet.lora_alpha": "much"}', '{"alpha_pattern": 3}']
)
def test_broken_settings_are_told(text: str, tmp_path: Path) -> None:
    model, file, tensors = small(tmp_path)
    save_file(tensors, file, {"lora_adapter_metadata": text})
    with pytest.raises(DataError, match="settings are no|is no number|is no mapping"):
        restore_adapters(model, file, None)


def test_settings_of_another_file_do_not_count(folders: dict[str, Path], tmp_path: Path) -> None:
    """In a folder with adapters of PEFT."""
    model = of(folders, "sd1").load("cpu")
    layers = same_rank(random_layers(model, UNET))
    file = LAYOUTS["older"](model, layers, tmp_path)
    restore_adapters(model, file, None)
    expected = model.fingerprints()
    model.unload_adapters()
    LAYOUTS["peft"](model, random_layers(model, UNET), tmp_path)
    assert (tmp_path / "adapter_config.json").is_file()
    restore_adapters(model, file, None)
    assert model.fingerprints() == expected


CONVOLUTION = torch.empty(4, 6, 3, 3)
LINEAR = torch.empty(4, 6)
SHAPES: list[tuple[torch.Tensor, dict[str, tuple[int, ...]], bool]] = [
    (LINEAR, {"down": (2, 6), "up": (4, 2)}, True),
    (LINEAR, {"down": (2, 6, 1, 1), "up": (4, 2, 1, 1)}, True),
    (CONVOLUTION, {"down": (2, 6, 3, 3), "up": (4, 2, 1, 1)}, True),
    # As LyCORIS trains convolutions without their neighbourhood.
    (CONVOLUTION, {"down": (2, 6, 1, 1), "up": (4, 2, 1, 1)}, False),
    (CONVOLUTION, {"down": (2, 6, 3, 3), "up": (4, 2, 3, 3)}, False),
    (LINEAR, {"down": (6, 2), "up": (2, 4)}, False),
    (LINEAR, {"down": (2, 6), "up": (4, 3)}, False),
    (LINEAR, {"down": (2, 6), "up": (4, 2), "magnitude": (4,)}, True),
    (LINEAR, {"down": (2, 6), "up": (4, 2), "magnitude": (4, 1)}, True),
    # One for each input, which is another norm.
    (LINEAR, {"down": (2, 6), "up": (4, 2), "magnitude": (1, 6)}, False),
    (torch.empty(4, 4), {"down": (2, 4), "up": (4, 2), "magnitude": (1, 4)}, False),
]


@pytest.mark.parametrize("weight, shapes, fits", SHAPES)
def test_what_fits_a_layer(
    weight: torch.Tensor, shapes: dict[str, tuple[int, ...]], fits: bool
) -> None:
    layer = Layer({part: torch.ones(shape) for part, shape in shapes.items()})
    assert layer.fits(weight) == fits


def test_a_hundred_mutated_files_are_applied_right_or_refused(tmp_path: Path) -> None:
    """What is applied has a whole proof; what is refused says so in one line."""
    model, file, _ = small(tmp_path)
    mutations = Mutations(file)
    outcomes = {"applied": 0, "refused": 0}
    before = model.fingerprints()
    for number in range(100):
        mutations.write(number)
        try:
            restored = restore_adapters(model, file, None)
            restored.applied.check(str(file))
        except DataError as error:
            assert "\n" not in str(error)
            outcomes["refused"] += 1
        else:
            assert restored.applied.applied == len(load_file(file))
            outcomes["applied"] += 1
        model.unload_adapters()
        assert model.fingerprints() == before
    assert outcomes["applied"] > 10 and outcomes["refused"] > 50, outcomes


def test_the_real_files(shared_data: Path) -> None:
    folder = shared_data / "lora_files"
    model = original()
    width = model.text_width
    with pytest.raises(DataError, match=f"made for Stable Diffusion 1, .* side is {width} wide"):
        restore_adapters(model, folder / "olddiffusers_attnprocs_r4.safetensors", None)
    with pytest.raises(DataError, match="none of 386 tensors fits .*only numbered"):
        restore_adapters(model, folder / "cloneofsimo_disney_r1.safetensors", None)
    with pytest.raises(DataError, match="damaged"):
        restore_adapters(model, folder / "corrupt_2bytes_crlf.safetensors", None)


@pytest.mark.slow
def test_a_real_file_fits_the_real_architecture(shared_data: Path) -> None:
    from sdexp.model.checkpoint import Weights
    from tests.checkpoints import recipe

    model = recipe("owner/absent", weights=Weights.random).load("cpu")
    file = shared_data / "lora_files" / "olddiffusers_attnprocs_r4.safetensors"
    applied = restore_adapters(model, file, None).applied
    applied.check(str(file))
    assert applied.applied == applied.changed == 256
