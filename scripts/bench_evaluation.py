"""An evaluation against the loop that people write: `python scripts/bench_evaluation.py [FOLDER]`.

64 prompts of the embedded world, one picture each of the original and of a LoRA. The loop calls
diffusers' pipeline for one prompt after the other, with FD and KID of torchmetrics and a CLIP
score; ours makes the same pictures, scores them with all its default judges (LPIPS too), and
writes statistics and report. Whole commands, in the order A B B A, with an empty store; then ours
of a second run, for which the store has the original's pictures, as for others of a sweep.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sdexp.ground.assets import ASSETS

ROUNDS = 3
# Runs of a sweep that share an original.
SWEEP = 8
PROMPTS, STEPS, GUIDANCE = 64, 20, 2.0
REAL = Path("images") / "reference"
COMMON = [
    "tracker=none", f"evaluation.num_prompts={PROMPTS}", "evaluation.replicates=1",
    # The loop does not ask these questions either.
    "evaluation.num_general_prompts=0", "evaluation.num_train_prompts=0",
    f"evaluation.num_inference_steps={STEPS}", f"evaluation.guidance_scale={GUIDANCE}",
]  # fmt: skip


def features() -> Any:
    """A module for torchmetrics: what the network of our own distances sees."""
    import timm
    import torch
    from safetensors.torch import load_file

    network = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    network.load_state_dict(load_file(ASSETS / "efficientnet_lite0" / "model.safetensors"), False)

    class Features(torch.nn.Module):
        num_features = 1280

        def forward(self, pictures: Any) -> Any:
            pixels = torch.nn.functional.interpolate(pictures.float() / 255, size=224)
            return network((pixels - 0.5) / 0.5)

    return Features()


def clip_scorer() -> Callable[[Any, str], float]:
    """Of a picture and its prompt: CLIPScore of torchmetrics 1.9 fails with transformers 5."""
    import torch
    from transformers import CLIPModel, CLIPProcessor

    clip: Any = CLIPModel.from_pretrained(ASSETS / "pocket-clip")
    processor: Any = CLIPProcessor.from_pretrained(ASSETS / "pocket-clip")

    def score(picture: Any, prompt: str) -> float:
        inputs = processor(text=[prompt], images=picture, return_tensors="pt", padding=True)
        with torch.no_grad():
            out = clip(**inputs)
        return 100 * max(torch.cosine_similarity(out.image_embeds, out.text_embeds).item(), 0.0)

    return score


def loop(run: Path) -> None:
    """What people write; runs in a process of its own."""
    import numpy as np
    import torch
    from diffusers import DDIMScheduler, StableDiffusionPipeline
    from PIL import Image
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    clip_score = clip_scorer()
    pipe: Any = StableDiffusionPipeline.from_pretrained(ASSETS / "pocket-sd", safety_checker=None)
    pipe.scheduler = DDIMScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    prompts = [json.loads(Image.open(file).text["sdexp"])["prompt"] for file in made_by(run)]
    pictures = [np.asarray(Image.open(file)) for file in sorted((run / REAL).glob("*.png"))]
    real = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    for name in ("original", "finetuned"):
        if name == "finetuned":
            pipe.load_lora_weights(run / "weights")
        scores = []
        fd: Any = FrechetInceptionDistance(feature=features())
        kid: Any = KernelInceptionDistance(feature=features(), subset_size=len(prompts))
        for number, prompt in enumerate(prompts):
            generator = torch.Generator().manual_seed(number)
            made = pipe(
                prompt, num_inference_steps=STEPS, guidance_scale=GUIDANCE, generator=generator
            )
            picture = torch.from_numpy(np.asarray(made.images[0])).permute(2, 0, 1)[None]
            scores.append(clip_score(made.images[0], prompt))
            for distance in (fd, kid):
                distance.update(picture, real=False)
                distance.update(real[number][None], real=True)
        print(name, statistics.mean(scores), fd.compute().item(), kid.compute()[0].item())


def prepare(root: Path, seed: int) -> Path:
    """A short training whose evaluation leaves prompts and real pictures for the loop."""
    run = root / f"run{seed}"
    if not (run / "scores.json").is_file():
        words = ["-m", "sdexp.train", *COMMON, "training.max_train_steps=20"]
        words += [f"training.seed={seed}", f"run_dir={run}"]
        subprocess.run([sys.executable, *words], check=True)
    return run


def made_by(run: Path) -> list[Path]:
    """Pictures of the original, in the order of their prompts' ids."""
    return sorted((run / "images" / "original").glob("*.png"))


def ours(run: Path, seed: int) -> list[str]:
    return ["-m", "sdexp.evaluate", f"run={run}", *COMMON[1:], f"evaluation.seed={seed}"]


def seconds(words: list[str], store: Path) -> float:
    environment = os.environ | {"SDEXP_STORE": str(store), "HF_HUB_OFFLINE": "1"}
    began = time.monotonic()
    subprocess.run([sys.executable, *words], check=True, env=environment, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--loop"]:
        loop(Path(arguments[1]))
        return
    root = Path(arguments[0] if arguments else "outputs/bench_evaluation").resolve()
    root.mkdir(parents=True, exist_ok=True)
    runs = [prepare(root, seed) for seed in (0, 1)]
    store = root / "store"
    taken: dict[str, list[float]] = {"loop": [], "first": [], "further": []}
    for number in range(ROUNDS):
        loop_words = [__file__, "--loop", str(runs[0])]
        if number % 2:
            taken["loop"].append(seconds(loop_words, store))
        shutil.rmtree(store, ignore_errors=True)
        for side, run in zip(("first", "further"), runs, strict=True):
            taken[side].append(seconds(ours(run, number + 1), store))
        if not number % 2:
            taken["loop"].append(seconds(loop_words, store))
    sweep = [
        SWEEP * theirs / (first + (SWEEP - 1) * further)
        for theirs, first, further in zip(*taken.values(), strict=True)
    ]
    first = [theirs / own for theirs, own in zip(taken["loop"], taken["first"], strict=True)]
    middle = {side: statistics.median(values) for side, values in taken.items()}
    print("| | loop | sdexp | times as fast |\n|---|---|---|---|")
    told = f"{PROMPTS} prompts x 2 models"
    whole = middle["first"] + (SWEEP - 1) * middle["further"]
    print(f"| {told} | {middle['loop']:.1f} s | {middle['first']:.1f} s | {_ratio(first)} |")
    print(
        f"| the same of {SWEEP} runs, all but the first {middle['further']:.1f} s | "
        f"{SWEEP * middle['loop']:.0f} s | {whole:.0f} s | {_ratio(sweep)} |"
    )


def _ratio(values: list[float]) -> str:
    return f"**{statistics.median(values):.2f}** ({min(values):.2f} to {max(values):.2f})"


if __name__ == "__main__":
    main(sys.argv[1:])
