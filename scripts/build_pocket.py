"""Build the weights of the embedded default: `python scripts/build_pocket.py [vae] [clip] [unet]`.

The stages run one after the other, each from a fixed seed; a stopped stage goes on where it
was. Working files lie in `build/pocket`, finished weights in `sdexp/assets`. Each stage prints
how long it took and what it reached on held-out pictures.
"""

import json
import shutil
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "scripts" / "pocket"), str(ROOT)]

import torch  # noqa: E402
from autoencoder import fit_vae  # noqa: E402
from autoencoder import report as report_vae  # noqa: E402
from denoiser import assemble, fit_denoiser, text_tower  # noqa: E402
from denoiser import report as report_denoiser  # noqa: E402
from diffusers import AutoencoderKL  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from scorer import fit_clip, new_processor  # noqa: E402
from scorer import report as report_clip  # noqa: E402
from transformers import CLIPModel  # noqa: E402

WORK = ROOT / "build" / "pocket"
ASSETS = ROOT / "sdexp" / "assets"


def keep_float32(folder: Path) -> None:
    """Half-precision files that transformers opens as float32 unless told otherwise."""
    config = json.loads((folder / "config.json").read_text()) | {"dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def forget_place(folder: Path) -> None:
    """The shipped files do not tell where they were made."""
    config = json.loads((folder / "config.json").read_text())
    config.pop("_name_or_path", None)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def prefix_text_keys(folder: Path) -> None:
    """Name the tensors as published Stable Diffusion checkpoints do, with `text_model.`."""
    file = folder / "model.safetensors"
    tensors = {
        f"text_model.{key.removeprefix('text_model.')}": t for key, t in load_file(file).items()
    }
    save_file(tensors, file, metadata={"format": "pt"})


def vae() -> None:
    model = fit_vae(WORK)
    model.save_pretrained(WORK / "vae", safe_serialization=True)
    report_vae(model)


def clip() -> None:
    model, tokenizer = fit_clip(WORK, AutoencoderKL.from_pretrained(WORK / "vae"))
    report_clip(model, tokenizer)
    folder = ASSETS / "pocket-clip"
    model.half().save_pretrained(folder, safe_serialization=True)
    keep_float32(folder)
    new_processor().save_pretrained(folder)
    shutil.copytree(WORK / "tokenizer", folder, dirs_exist_ok=True)


def unet() -> None:
    vae = AutoencoderKL.from_pretrained(WORK / "vae")
    scorer = CLIPModel.from_pretrained(ASSETS / "pocket-clip", dtype=torch.float32)
    fitted, tokenizer = fit_denoiser(WORK, vae, text_tower(scorer))
    pipeline = assemble(fitted, tokenizer, vae)
    report_denoiser(pipeline, scorer, tokenizer)
    folder = ASSETS / "pocket-sd"
    pipeline.to(torch.float16).save_pretrained(folder, safe_serialization=True)
    shutil.copytree(WORK / "tokenizer", folder / "tokenizer", dirs_exist_ok=True)
    keep_float32(folder / "text_encoder")
    forget_place(folder / "vae")
    prefix_text_keys(folder / "text_encoder")


STAGES = {"vae": vae, "clip": clip, "unet": unet}

if __name__ == "__main__":
    WORK.mkdir(parents=True, exist_ok=True)
    for stage in sys.argv[1:] or STAGES:
        began = time.monotonic()
        STAGES[stage]()
        print(f"{stage}: {(time.monotonic() - began) / 60:.1f} minutes", flush=True)
