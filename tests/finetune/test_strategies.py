"""What holds for every strategy: only it trains, and what it saves is what loads."""

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from sdexp.finetune.base import AbstractFinetune
from sdexp.finetune.lora import InitialA
from sdexp.finetune.peft import Peft
from sdexp.finetune.whole import Whole
from sdexp.ground.assets import ASSETS
from sdexp.ground.errors import DataError, DivergedError
from sdexp.ground.sampling import Sampling
from sdexp.model.base import Draws, Framing, LoadedModel
from tests.finetune.pocket import TARGETS, lora, original

CHECKOUT = Path(__file__).parents[2]


def contributed() -> AbstractFinetune:
    """The strategy that CONTRIBUTING.md shows."""
    text = (CHECKOUT / "CONTRIBUTING.md").read_text()
    module = ModuleType("contributed")
    sys.modules["contributed"] = module
    exec(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0], module.__dict__)
    strategy: AbstractFinetune = module.Attention(["unet"], "attn2")
    return strategy


WIDE = ["conv1", "conv_in", "proj_in", "ff.net.0.proj", "ff.net.2", "time_emb_proj", "fc1"]
STRATEGIES: dict[str, AbstractFinetune] = {
    "unet": Whole(["unet"], {}, None),
    "text_encoder": Whole(["text_encoder"], {}, None),
    "unet_text_encoder": Whole(["unet", "text_encoder"], {"text_encoder": 1e-5}, None),
    "contributed": contributed(),
    "unet_attention": Whole(["unet"], {}, ["attn2."]),
    "lora_unet": lora(["unet"], rank=4, lora_alpha=16.0),
    "lora_both": lora(["unet", "text_encoder"]),
    "lora_wide": lora(["unet", "text_encoder"], target_modules=[*TARGETS, *WIDE]),
    "lora_text": lora(["text_encoder"], lora_alpha=3.0),
    "dora": lora(["unet", "text_encoder"], use_dora=True, lora_alpha=5.0),
    "rslora": lora(["unet"], rank=4, use_rslora=True, init_lora_weights=InitialA.kaiming),
    "mixed_ranks": lora(
        ["unet"], rank=4, rank_pattern={"attn2.to_k": 2}, alpha_pattern={"attn1.to_q": 16.0}
    ),
    "loha": Peft(["unet"], "LOHA", {"r": 4, "alpha": 8, "target_modules": TARGETS[:4]}),
    "lokr": Peft(["unet", "text_encoder"], "LOKR", {"r": 4, "target_modules": TARGETS}),
    "oft": Peft(["unet"], "OFT", {"oft_block_size": 8, "target_modules": TARGETS[:3]}),
}
# Merged weights differ by rounding from those beside which an adapter works.
ROUNDED = ("loha", "lokr", "oft")
SAMPLING = Sampling("ddim", 3, 3.0, "", 64, 64)
FRAMING = Framing((64, 64), (0, 0), (64, 64))
NOISE = torch.randn(1, 8, 8, 8, generator=torch.Generator().manual_seed(1))


def picture(model: LoadedModel) -> np.ndarray:
    return model.generate(["a big red heart"], Draws(NOISE, [torch.Generator()]), SAMPLING)


def assert_same(name: str, found: np.ndarray, expected: np.ndarray) -> None:
    """Equal to the last bit, or where weights were merged to a grey level."""
    assert abs(found.astype(int) - expected).max() <= (1 if name in ROUNDED else 0)


def step(model: LoadedModel, trained: dict[str, torch.nn.Parameter]) -> None:
    """Two updates by hand, strong enough to be seen; LoRA's first moves B only."""
    optimizer = torch.optim.SGD(trained.values(), lr=2.0)
    for _ in range(2):
        condition = model.encode_prompts(["a big red heart"], [FRAMING])
        model.predict(NOISE, torch.tensor([500]), condition).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()


@pytest.fixture(scope="module", params=STRATEGIES)
def case(request, tmp_path_factory):  # type: ignore[no-untyped-def]
    """A strategy, its changed model, and the folder of its saved weights."""
    finetune = STRATEGIES[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    model = original()
    before = {
        n: {k: t.clone() for k, t in m.state_dict().items()} for n, m in model.modules().items()
    }
    torch.manual_seed(0)
    trained = finetune.attach(model)
    start = picture(model)
    step(model, trained)
    finetune.save(model, folder)
    return request.param, finetune, model, trained, before, start, folder


def test_the_contributed_strategy_keeps_the_rules_of_the_house() -> None:
    text = (CHECKOUT / "CONTRIBUTING.md").read_text()
    code = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0]
    command = [sys.executable, "-m", "ruff", "check", "--stdin-filename"]
    command.append("sdexp/finetune/attention.py")
    answer = subprocess.run([*command, "-"], input=code, text=True, cwd=CHECKOUT)
    assert answer.returncode == 0


def test_all_else_is_frozen_bit_for_bit(case) -> None:  # type: ignore[no-untyped-def]
    _, _, model, trained, before, _, _ = case
    pointers = {parameter.data_ptr() for parameter in trained.values()}
    compared = 0
    for name, module in model.modules().items():
        for key, parameter in module.named_parameters():
            assert parameter.requires_grad == (parameter.data_ptr() in pointers)
            plain = key.replace(".base_layer", "")
            if parameter.data_ptr() not in pointers:
                assert torch.equal(parameter, before[name][plain])
                compared += 1
    assert compared > 100


def test_the_attached_model_starts_as_the_original(case) -> None:  # type: ignore[no-untyped-def]
    _, _, _, _, _, start, _ = case
    assert (start == picture(original())).all()


def test_saving_twice_gives_the_same_bytes(case, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    _, finetune, model, _, _, _, folder = case
    finetune.save(model, tmp_path)
    assert digests(tmp_path) == digests(folder)


def digests(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_saved_files_tell_no_place(case) -> None:  # type: ignore[no-untyped-def]
    folder = case[-1]
    assert not [
        file for file in folder.rglob("*") if file.is_file() and b"/sdexp/" in file.read_bytes()
    ]


def test_restoring_gives_the_trained_picture_and_a_proof(case) -> None:  # type: ignore[no-untyped-def]
    name, finetune, model, _, _, start, folder = case
    fresh = original()
    before = fresh.fingerprints()
    restored = finetune.restore(fresh, folder)
    restored.applied.check("weights")
    files = folder.rglob("*.safetensors")
    assert restored.applied.applied == sum(len(load_file(file)) for file in files)
    assert restored.applied.changed > 0
    assert_same(name, picture(fresh), picture(model))
    assert (picture(fresh) != start).any()
    changed = {name for name, value in fresh.fingerprints().items() if value != before[name]}
    assert changed == {key.partition(".")[0] for key in case[3]}
    restored.undo()
    assert fresh.fingerprints() == before and (picture(fresh) == start).all()
    for key, tensor in finetune.restore(fresh, folder).applied.__dict__.items():
        assert getattr(restored.applied, key) == tensor


PLAIN = """
import os, sys, numpy as np, torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel
base, folder, out = sys.argv[1:]
parts = {}
if os.path.isdir(folder + "/unet"):
    parts["unet"] = UNet2DConditionModel.from_pretrained(folder + "/unet")
if os.path.isdir(folder + "/text_encoder"):
    parts["text_encoder"] = CLIPTextModel.from_pretrained(folder + "/text_encoder")
pipe = StableDiffusionPipeline.from_pretrained(base, safety_checker=None, **parts)
if not parts:
    pipe.load_lora_weights(folder)
noise = torch.randn(1, 8, 8, 8, generator=torch.Generator().manual_seed(1))
made = pipe("a big red heart", latents=noise, num_inference_steps=3, guidance_scale=3.0,
            output_type="np").images
assert not [m for m in sys.modules if m.split(".")[0] == "sdexp"]
np.save(out, (made * 255).round().astype(np.uint8))
"""


@pytest.mark.slow
def test_plain_diffusers_makes_the_same_picture_in_a_clean_process(case, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    name, _, model, _, _, _, folder = case
    command = [sys.executable, "-c", PLAIN, str(ASSETS / "pocket-sd"), str(folder)]
    answer = subprocess.run([*command, str(tmp_path / "out.npy")], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr
    assert_same(name, np.load(tmp_path / "out.npy"), picture(model))


def test_foreign_missing_and_empty_weights_are_told(case, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    name, finetune, _, _, _, _, folder = case
    with pytest.raises(DataError, match="missing"):
        finetune.restore(original(), tmp_path / "absent")
    file = next(folder.rglob("*.safetensors"))
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    target = tmp_path / file.relative_to(folder)
    save_file({}, target)
    with pytest.raises(DataError, match=r"missing|no tensor was applied"):
        finetune.restore(original(), tmp_path).applied.check("weights")
    target.write_bytes(b"\r\n")
    with pytest.raises(DataError, match="damaged"):
        finetune.restore(original(), tmp_path)


def test_unchanged_weights_are_an_error(tmp_path: Path) -> None:
    for name, finetune in STRATEGIES.items():
        model = original()
        finetune.attach(model)
        with pytest.raises(
            (DataError, DivergedError), match=r"changed nothing|adapters do nothing"
        ):
            finetune.save(model, tmp_path / name)
            finetune.restore(original(), tmp_path / name).applied.check("weights")
        if not isinstance(finetune, Whole | type(STRATEGIES["contributed"])):
            assert not (tmp_path / name).exists(), "nothing half-written is left"
