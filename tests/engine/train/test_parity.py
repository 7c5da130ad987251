"""Our losses against a bare loop after the recipes of diffusers' own example scripts."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from PIL import Image
from torch import Tensor

from sdexp.engine.train.setup import set_up
from sdexp.engine.train.trainer import Trainer
from sdexp.ground.records import RunRecord
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.ground.streams import stream
from sdexp.launch.compose import compose
from sdexp.recipes import Recipes, build_recipes
from tests.checkpoints import tiny_checkpoint
from tests.engine.train.runs import losses

STEPS = 20
RATE = 1e-3
MODELS = {"sd1": "sd14", "sd2": "sd21", "sdxl": "sdxl"}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of pictures of several sizes."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    draws = np.random.default_rng(0)
    lines = []
    for number in range(16):
        size = tuple(int(side) for side in draws.integers(64, 160, 2))
        values = draws.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(values).resize(size, Image.Resampling.BICUBIC).save(
            folder / f"{number}.png"
        )
        lines.append(json.dumps({"file_name": f"{number}.png", "text": f"picture number {number}"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    return folder


@pytest.fixture
def chosen(tmp_path: Path, pictures: Path) -> Callable[[str, str], Recipes]:
    def make(family: str, snr_gamma: str) -> Recipes:
        words = [
            f"model={MODELS[family]}",
            f"model.pretrained_model_name_or_path={tmp_path / family}",
            "dataset=imagefolder",
            f"dataset.data_dir={pictures}",
            "finetune=unet",
            f"optimizer.lr={RATE}",
            "scheduler=constant",
            f"training.max_train_steps={STEPS}",
            "training.train_batch_size=2",
            "training.validation_steps=null",
            "training.validation_images_steps=null",
            "training.checkpointing_steps=null",
            f"objective.snr_gamma={snr_gamma}",
            "objective.caption_dropout_rate=0",
            "evaluation=none",
            "tracker=none",
        ]
        return build_recipes(compose("train", words).config)

    return make


@dataclass(frozen=True)
class Sample:
    """What a sample is made of, from the same streams."""

    pixels: Tensor
    caption: str
    sizes: list[int]
    posterior: Tensor
    noise: Tensor
    timestep: Tensor


def samples(recipes: Recipes, run: RunFolder, store: Store) -> Iterator[list[Sample]]:
    """Those of each step."""
    setup = set_up(run, recipes, store)
    shape = setup.model.latent_shape(64, 64)
    order = setup.timetable.order
    for step in range(STEPS):
        batch = []
        for index in order.step_samples(step):
            item = setup.pictures[(step // order.steps_per_epoch, index)]
            key = (item.epoch, item.sample_id)
            framing = item.view.framing
            assert item.view.pixels is not None
            batch.append(
                Sample(
                    pixels=item.view.pixels / 127.5 - 1,
                    caption=item.caption,
                    sizes=[*framing.original_size, *framing.top_left, *framing.target_size],
                    posterior=torch.randn(shape, generator=stream(0, "train posterior", *key)),
                    noise=torch.randn(shape, generator=stream(0, "train noise", *key)),
                    timestep=torch.randint(1000, (), generator=stream(0, "train timestep", *key)),
                )
            )
        yield batch


class BareLoop:
    """A training by nothing but diffusers, transformers and torch."""

    def __init__(self, folder: Path, snr_gamma: float | None) -> None:
        self.is_xl = "xl" in folder.name
        kind: Any = StableDiffusionXLPipeline if self.is_xl else StableDiffusionPipeline
        self.pipeline = kind.from_pretrained(folder, safety_checker=None)
        self.scheduler = DDPMScheduler.from_pretrained(folder, subfolder="scheduler")
        self.snr_gamma = snr_gamma
        self.pipeline.unet.train()
        self.optimizer = torch.optim.AdamW(
            self.pipeline.unet.parameters(), lr=RATE, weight_decay=1e-2
        )

    def step(self, batch: list[Sample]) -> float:
        pipeline = self.pipeline
        pixels = torch.stack([sample.pixels for sample in batch])
        with torch.no_grad():
            posterior = pipeline.vae.encode(pixels).latent_dist
            draw = torch.stack([sample.posterior for sample in batch])
            latents = (posterior.mean + posterior.std * draw) * pipeline.vae.config.scaling_factor
            states, added = self._condition(batch)
        noise = torch.stack([sample.noise for sample in batch])
        timesteps = torch.stack([sample.timestep for sample in batch])
        noisy = self.scheduler.add_noise(latents, noise, timesteps)
        said = pipeline.unet(noisy, timesteps, states, added_cond_kwargs=added).sample
        is_v = self.scheduler.config.prediction_type == "v_prediction"
        target = self.scheduler.get_velocity(latents, noise, timesteps) if is_v else noise
        loss = torch.nn.functional.mse_loss(said, target, reduction="none").mean(dim=(1, 2, 3))
        if self.snr_gamma is not None:
            alphas = self.scheduler.alphas_cumprod[timesteps]
            snr = alphas / (1 - alphas)
            weight = torch.minimum(snr, torch.full_like(snr, self.snr_gamma))
            loss = loss * weight / (snr + 1 if is_v else snr)
        total = loss.mean()
        total.backward()
        torch.nn.utils.clip_grad_norm_(pipeline.unet.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return total.item()

    def _condition(self, batch: list[Sample]) -> tuple[Tensor, dict[str, Tensor] | None]:
        captions = [sample.caption for sample in batch]
        if not self.is_xl:
            return self._encoded("", captions, "last_hidden_state"), None
        found = [self._encoded(end, captions, None) for end in ("", "_2")]
        states = torch.cat([one.hidden_states[-2] for one in found], dim=-1)
        sizes = torch.tensor([sample.sizes for sample in batch])
        return states, {"text_embeds": found[1][0], "time_ids": sizes}

    def _encoded(self, end: str, captions: list[str], what: str | None) -> Any:
        tokenizer = getattr(self.pipeline, f"tokenizer{end}")
        encoder = getattr(self.pipeline, f"text_encoder{end}")
        ids = tokenizer(
            captions, padding="max_length", max_length=77, truncation=True, return_tensors="pt"
        ).input_ids
        found = encoder(ids, output_hidden_states=True)
        return found if what is None else found[what]


@pytest.mark.parametrize("snr_gamma", ["null", "5.0"])
@pytest.mark.parametrize("family", MODELS)
def test_twenty_losses_are_those_of_a_bare_loop(
    family: str, snr_gamma: str, tmp_path: Path, chosen: Any, store: Store
) -> None:
    tiny_checkpoint(tmp_path / family, family)
    recipes = chosen(family, snr_gamma)
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    run.write_record(RunRecord())
    Trainer(run, set_up(run, recipes, store)).train()
    bare = BareLoop(tmp_path / family, None if snr_gamma == "null" else float(snr_gamma))
    other = RunFolder(tmp_path / "other")
    other.path.mkdir()
    expected = [bare.step(batch) for batch in samples(recipes, other, Store(tmp_path / "empty"))]
    found = losses(run)
    assert sorted(found) == list(range(1, STEPS + 1))
    np.testing.assert_allclose([found[k] for k in sorted(found)], expected, rtol=1e-5)
    # It does train: an error of the update would show.
    assert len({round(loss, 3) for loss in expected}) > STEPS / 2
