"""The VAE of pocket-sd: factor 8, eight latent channels, trained on every look."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from fitting import fit
from pictures import HELD_OUT_SEEDS, pictures, pool, to_signed
from torch import Tensor, nn

from sdexp.dataset.scenes import LOOKS

KL_WEIGHT = 2e-4


def new_vae() -> AutoencoderKL:
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(16, 32, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        latent_channels=8,
        norm_num_groups=8,
        layers_per_block=1,
        sample_size=64,
    )


def fit_vae(work: Path, steps: int = 4000) -> AutoencoderKL:
    """Train on the mean squared error with a weak pull to the unit Gaussian."""
    images = pool().flatten(0, 1)
    vae = new_vae().to(memory_format=torch.channels_last)

    def loss_of(generator: torch.Generator) -> Tensor:
        rows = torch.randint(len(images), (16,), generator=generator)
        pixels = to_signed(images[rows]).to(memory_format=torch.channels_last)
        posterior = vae.encode(pixels).latent_dist
        decoded = vae.decode(posterior.sample(generator)).sample
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        return nn.functional.mse_loss(decoded, pixels) + KL_WEIGHT * kl

    return fit("vae", vae, loss_of, steps=steps, peak_lr=1.5e-3, work=work)


@torch.inference_mode()
def psnr(vae: AutoencoderKL, look: str, seeds: range = HELD_OUT_SEEDS[:200]) -> float:
    """Peak signal-to-noise ratio in dB of decoded held-out pictures; peak 2 on [-1, 1]."""
    errors = []
    for batch in to_signed(pictures(seeds, look)).split(50):
        decoded = vae.decode(vae.encode(batch).latent_dist.mean).sample.clamp(-1, 1)
        errors.append((decoded - batch).square().flatten(1).mean(1))
    return float(10 * torch.log10(4 / torch.cat(errors).mean()))


def report(vae: AutoencoderKL) -> None:
    for look in LOOKS:
        print(f"vae psnr {look} {psnr(vae, look):.2f} dB", flush=True)
