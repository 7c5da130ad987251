"""pocket-sd: the U-Net and the text encoder, trained together on captions that name the look."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from fitting import fit
from pictures import MORE_FIT_SEEDS, caption_table, pool, to_signed
from scorer import distinct_scenes, retrieval
from torch import Tensor, nn
from transformers import CLIPModel, CLIPTextModel, CLIPTokenizer

from sdexp.dataset.scenes import LOOKS, captions, make_scene, name_look

KNOWN_LOOKS = tuple(look for look in LOOKS if look != "woodcut")
TEXT_WIDTH = 96
BATCH = 32


def new_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=8,
        out_channels=8,
        block_out_channels=(64, 128, 192),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def text_tower(clip: CLIPModel) -> CLIPTextModel:
    """A copy of the scorer's text tower: what the text encoder starts from."""
    encoder = CLIPTextModel(clip.config.text_config)
    tensors = {k.removeprefix("text_model."): t for k, t in clip.text_model.state_dict().items()}
    encoder.load_state_dict(tensors)
    return encoder


def new_scheduler() -> DDIMScheduler:
    """Ends in almost pure noise. With the milder betas of SD 1.x the colours of shapes as large as
    these still shine through at the last step, and the model heeds the noise, not the caption."""
    return DDIMScheduler(
        beta_start=0.0001,
        beta_end=0.02,
        beta_schedule="linear",
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


@torch.no_grad()
def centre(vae: AutoencoderKL, means: Tensor) -> Tensor:
    """Move the latents' mean over pictures and places to zero, inside the VAE's own 1x1
    convolutions; returns the moved means [N, 8, 8, 8]."""
    shift = means.mean((0, 2, 3))
    vae.quant_conv.bias[: len(shift)] -= shift
    vae.post_quant_conv.bias += vae.post_quant_conv.weight[:, :, 0, 0] @ shift
    return means - shift[:, None, None]


def fit_denoiser(
    work: Path, vae: AutoencoderKL, encoder: CLIPTextModel, steps: int = 7000
) -> tuple[nn.ModuleDict, CLIPTokenizer]:
    """Velocity prediction on all known looks; a tenth of the captions is empty."""
    tokenizer = CLIPTokenizer.from_pretrained(work / "tokenizer")
    images = pool(KNOWN_LOOKS, MORE_FIT_SEEDS).flatten(0, 1)
    means, deviations = posterior(vae, images)
    means = centre(vae, means)
    scale = 1 / means.std()
    vae.register_to_config(scaling_factor=float(scale))
    rows_of = [row for look in KNOWN_LOOKS for row in caption_table(look, True, MORE_FIT_SEEDS)]
    texts = [text for row in rows_of for text in row] + [""]
    tokens = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt").input_ids
    scheduler = new_scheduler()
    torch.manual_seed(2)
    model = nn.ModuleDict({"unet": new_unet(), "text_encoder": encoder})
    print(f"unet {sum(p.numel() for p in model['unet'].parameters())} parameters", flush=True)

    def loss_of(generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(means), (BATCH,), generator=generator)
        full = torch.rand(BATCH, generator=generator) < 0.5
        pick = torch.where(
            full,
            torch.randint(2, (BATCH,), generator=generator),
            torch.randint(10, (BATCH,), generator=generator),
        )
        empty = torch.rand(BATCH, generator=generator) < 0.1
        ids = tokens[torch.where(empty, len(tokens) - 1, rows * 10 + pick)]
        draw = torch.randn(means[rows].shape, generator=generator)
        clean = (means[rows] + deviations[rows] * draw) * scale
        noise = torch.randn(clean.shape, generator=generator)
        t = torch.randint(1000, (BATCH,), generator=generator)
        states = model["text_encoder"](ids).last_hidden_state
        noisy = scheduler.add_noise(clean, noise, t)
        predicted = model["unet"](noisy, t, states).sample
        return nn.functional.mse_loss(predicted, scheduler.get_velocity(clean, noise, t))

    fitted = fit("unet", model, loss_of, steps=steps, peak_lr=1e-3, work=work, ema_decay=0.999)
    return fitted, tokenizer


def assemble(
    fitted: nn.ModuleDict, tokenizer: CLIPTokenizer, vae: AutoencoderKL
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
    """uint8 [N, 3, 64, 64], 20 steps, guidance 2."""
    batches = []
    for start in range(0, len(texts), 50):
        generator = torch.Generator().manual_seed(start)
        result = pipeline(
            texts[start : start + 50], num_inference_steps=20, guidance_scale=2.0,
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
