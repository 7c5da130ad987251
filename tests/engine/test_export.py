"""A run's weights as other tools open them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from transformers import CLIPTokenizer

from sdexp.engine.export import export
from sdexp.engine.weights import apply_weights
from sdexp.finetune.base import AbstractFinetune
from sdexp.finetune.formats import ExportFormat
from sdexp.finetune.peft import Peft
from sdexp.finetune.whole import Whole
from sdexp.ground.errors import ConfigError
from sdexp.ground.run import RunFolder
from sdexp.ground.sampling import Sampling
from sdexp.model.base import Draws
from tests.finetune.pocket import lora, original

NOISE = torch.randn(1, 8, 8, 8, generator=torch.Generator().manual_seed(1))
STRATEGIES: dict[str, AbstractFinetune] = {
    "whole": Whole(["unet"], {}, None),
    "lora": lora(["unet", "text_encoder"]),
    "loha": Peft(["unet"], "LOHA", {"r": 2, "target_modules": ["to_q"]}),
}


@pytest.fixture(params=STRATEGIES)
def case(request: Any, new_run: Any, recipes: Any) -> tuple[str, RunFolder, Any, np.ndarray]:
    """A run with changed weights, and its picture."""
    from dataclasses import replace

    strategy = STRATEGIES[request.param]
    run = new_run("run")
    model = original()
    for parameter in strategy.attach(model).values():
        parameter.data += 0.02
    strategy.save(model, run.weights)
    fresh = original()
    apply_weights(strategy, fresh, run.weights)
    sampling = Sampling("ddim", 3, 3.0, "", 64, 64)
    made = fresh.generate(["a big red heart"], Draws(NOISE, [torch.Generator()]), sampling)
    return request.param, run, replace(recipes(), finetune=strategy), made.astype(int)


def test_the_whole_folder_is_opened_by_plain_diffusers(case: Any, tmp_path: Path) -> None:
    _, run, built, expected = case
    export(run, tmp_path / "out", built, ExportFormat.pipeline, None)
    plain = StableDiffusionPipeline.from_pretrained(tmp_path / "out")
    plain.set_progress_bar_config(disable=True)
    made = plain(
        "a big red heart", latents=NOISE, num_inference_steps=3, guidance_scale=3.0,
        output_type="np",
    ).images  # fmt: skip
    assert abs(255 * made - expected).max() < 1.51
    vocabulary = tmp_path / "out" / "tokenizer"
    older = CLIPTokenizer(str(vocabulary / "vocab.json"), str(vocabulary / "merges.txt"))
    assert older("a red heart").input_ids == plain.tokenizer("a red heart").input_ids


def test_what_was_trained_is_written_alone(case: Any, tmp_path: Path) -> None:
    name, run, built, _ = case
    export(run, tmp_path / "out", built, ExportFormat.diffusers, None)
    files = {str(f.relative_to(tmp_path / "out")) for f in (tmp_path / "out").rglob("*.*")}
    network = {"unet/config.json", "unet/diffusion_pytorch_model.safetensors"}
    assert files == ({"pytorch_lora_weights.safetensors"} if name == "lora" else network)
    if name != "lora":
        for form in (ExportFormat.kohya, ExportFormat.peft):
            with pytest.raises(ConfigError, match=f"format={form}: holds adapters, .*unet"):
                export(run, tmp_path / "other", built, form, None)
        assert not (tmp_path / "other").exists()
