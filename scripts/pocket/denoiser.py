"""pocket-sd: the U-Net and the text encoder, trained together on captions that name the look."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from fitting import fit
from pictures import FIT_SEEDS, caption_table, pool, to_signed
from scorer import distinct_scenes, retrieval
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer
from words import MAX_LENGTH

from sdexp.dataset.scenes import LOOKS, captions, make_scene, name_look

KNOWN_LOOKS = tuple(look for look in LOOKS if look != "woodcut")
WIDTH = 128


def new_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=8,
        out_channels=8,
        block_out_channels=(64, 128, 192),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def new_text_encoder(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=MAX_LENGTH,
            projection_dim=WIDTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def new_scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="v_prediction",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        timestep_spacing="trailing",
    )


@torch.inference_mode()
def posterior(vae: AutoencoderKL, images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the posterior, each [N, 8, 8, 8]."""
    parts = [vae.encode(to_signed(batch)).latent_dist for batch in images.split(100)]
    return torch.cat([p.mean for p in parts]), torch.cat([p.std for p in parts])


def fit_denoiser(
    work: Path, vae: AutoencoderKL, steps: int = 4500
) -> tuple[nn.Module, CLIPTokenizer]:
    """Velocity prediction on all known looks; a tenth of the captions is empty."""
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    images = pool(KNOWN_LOOKS).flatten(0, 1)
    means, deviations = posterior(vae, images)
    scale = 1 / means.std()
    vae.register_to_config(scaling_factor=float(scale))
    rows_of = [row for look in KNOWN_LOOKS for row in caption_table(look, named=True)]
    texts = [text for row in rows_of for text in row] + [""]
    tokens = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    scheduler = new_scheduler()
    torch.manual_seed(2)
    model = nn.ModuleDict({"unet": new_unet(), "text_encoder": new_text_encoder(tokenizer)})
    print(f"unet {sum(p.numel() for p in model['unet'].parameters())} parameters", flush=True)

    def loss_of(generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(KNOWN_LOOKS) * len(FIT_SEEDS), (64,), generator=generator)
        full = torch.rand(64, generator=generator) < 0.5
        pick = torch.where(
            full,
            torch.randint(2, (64,), generator=generator),
            torch.randint(10, (64,), generator=generator),
        )
        empty = torch.rand(64, generator=generator) < 0.1
        ids = tokens[torch.where(empty, len(tokens) - 1, rows * 10 + pick)]
        draw = torch.randn(means[rows].shape, generator=generator)
        clean = (means[rows] + deviations[rows] * draw) * scale
        noise = torch.randn(clean.shape, generator=generator)
        t = torch.randint(1000, (64,), generator=generator)
        states = model["text_encoder"](ids).last_hidden_state
        noisy = scheduler.add_noise(clean, noise, t)
        predicted = model["unet"](noisy, t, states).sample
        return nn.functional.mse_loss(predicted, scheduler.get_velocity(clean, noise, t))

    fitted = fit("unet", model, loss_of, steps=steps, peak_lr=1e-3, work=work, ema_decay=0.999)
    return fitted, tokenizer


def assemble(
    fitted: nn.Module, tokenizer: CLIPTokenizer, vae: AutoencoderKL
) -> StableDiffusionPipeline:
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=fitted["text_encoder"],
        tokenizer=tokenizer,
        unet=fitted["unet"],
        scheduler=new_scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def sample(pipeline: StableDiffusionPipeline, texts: list[str]) -> Tensor:
    """uint8 [N, 3, 64, 64], 20 steps, guidance 3."""
    batches = []
    for start in range(0, len(texts), 50):
        generator = torch.Generator().manual_seed(start)
        result = pipeline(
            texts[start : start + 50], num_inference_steps=20, guidance_scale=3.0,
            generator=generator, output_type="pt",
        )  # fmt: skip
        batches.append((result.images * 255).round().to(torch.uint8))
    return torch.cat(batches)


def report(pipeline: StableDiffusionPipeline, clip: nn.Module, tokenizer: CLIPTokenizer) -> None:
    seeds = distinct_scenes(200)
    bare = [captions(make_scene(seed))[0] for seed in seeds]
    for look in KNOWN_LOOKS:
        made = sample(pipeline, [name_look(text, look, True) for text in bare])
        share = retrieval(clip, tokenizer, made, bare)
        print(
            f"generated pictures get their own caption among 100, {look}: {share:.3f}", flush=True
        )
