"""pocket-clip: the small CLIP that scores pictures, trained on every look."""

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from fitting import fit
from pictures import FIT_SEEDS, HELD_OUT_SEEDS, caption_table, pictures, pool, to_signed
from torch import Tensor
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel
from words import MAX_LENGTH, build_tokenizer

from sdexp.dataset.scenes import LOOKS, SIZE, captions, make_scene


def new_clip(vocabulary: int, end_token: int) -> CLIPModel:
    torch.manual_seed(1)
    text = {
        "vocab_size": vocabulary, "hidden_size": 96, "intermediate_size": 384,
        "num_hidden_layers": 3, "num_attention_heads": 4, "max_position_embeddings": MAX_LENGTH,
        "eos_token_id": end_token, "bos_token_id": end_token - 1, "pad_token_id": end_token,
    }  # fmt: skip
    vision = {
        "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 4,
        "num_attention_heads": 4, "image_size": SIZE, "patch_size": 8,
    }  # fmt: skip
    return CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=128))


def new_processor() -> CLIPImageProcessor:
    return CLIPImageProcessor(
        size={"shortest_edge": SIZE}, crop_size=SIZE, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )


@torch.inference_mode()
def decoded(vae: AutoencoderKL, images: Tensor) -> Tensor:
    """Pictures uint8 [..., 3, 64, 64] through the VAE, with noise on the latents up to a quarter
    of their spread: what a generator's pictures look like at best, and worse."""
    flat, parts = images.flatten(0, -4), []
    for number, batch in enumerate(flat.split(100)):
        generator = torch.Generator().manual_seed(number)
        latents = vae.encode(to_signed(batch)).latent_dist.mean
        strength = 0.25 * torch.rand(len(batch), 1, 1, 1, generator=generator)
        noise = torch.randn(latents.shape, generator=generator) * latents.std()
        pixels = vae.decode(latents + strength * noise).sample.clamp(-1, 1)
        parts.append(((pixels + 1) * 127.5).round().to(torch.uint8))
    return torch.cat(parts).view_as(images)


def fit_clip(work: Path, vae: AutoencoderKL, steps: int = 2000) -> tuple[CLIPModel, object]:
    """Contrastive training on drawn and on decoded pictures, half and half.

    Half of the captions name the look, half of them are full. Without decoded pictures the scorer
    would judge a decoder's blur, which it never saw, instead of the picture.
    """
    tokenizer = build_tokenizer(work / "tokenizer")
    drawn = pool()
    images = torch.stack([drawn, decoded(vae, drawn)])
    tables = [caption_table(look, named=True) for look in LOOKS]
    bare = caption_table(LOOKS[0], named=False)
    clip = new_clip(len(tokenizer), tokenizer.eos_token_id)

    def text_of(look: int, scene: int, draws: list[float]) -> str:
        full, named, pick = draws[0] < 0.5, draws[1] < 0.5, draws[2]
        row = tables[look][scene] if named else bare[scene]
        step = len(row) // 5
        return row[int(pick * step)] if full else row[int(pick * len(row))]

    def loss_of(generator: torch.Generator) -> Tensor:
        scenes = torch.randperm(len(FIT_SEEDS), generator=generator)[:128]
        looks = torch.randint(len(LOOKS), (128,), generator=generator)
        kinds = torch.randint(2, (128,), generator=generator)
        draws = torch.rand(128, 3, generator=generator).tolist()
        texts = [text_of(*row) for row in zip(looks.tolist(), scenes.tolist(), draws, strict=True)]
        tokens = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        pixels = to_signed(images[kinds, looks, scenes])
        return clip(pixel_values=pixels, return_loss=True, **tokens).loss

    return fit("clip", clip, loss_of, steps=steps, peak_lr=1e-3, work=work), tokenizer


@torch.inference_mode()
def retrieval(clip: CLIPModel, tokenizer: object, images: Tensor, texts: list[str]) -> float:
    """Share of pictures, uint8 [N, 3, 64, 64], whose own caption scores best among 100."""
    hits = 0
    for start in range(0, len(texts) - 99, 100):
        tokens = tokenizer(texts[start : start + 100], padding=True, return_tensors="pt")
        pixels = to_signed(images[start : start + 100])
        scores = clip(pixel_values=pixels, **tokens).logits_per_image
        hits += int((scores.argmax(1) == torch.arange(100)).sum())
    return hits / (len(texts) // 100 * 100)


def distinct_scenes(number: int) -> list[int]:
    """Held-out seeds whose full captions all differ."""
    seeds: dict[str, int] = {}
    for seed in HELD_OUT_SEEDS:
        seeds.setdefault(captions(make_scene(seed))[0], seed)
    return list(seeds.values())[:number]


def report(clip: CLIPModel, tokenizer: object) -> None:
    seeds = distinct_scenes(300)
    texts = [captions(make_scene(seed))[0] for seed in seeds]
    for look in LOOKS:
        share = retrieval(clip, tokenizer, pictures(seeds, look), texts)
        print(f"clip finds the caption among 100, {look}: {share:.3f}", flush=True)
