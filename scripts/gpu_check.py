"""The checks of `gpu_check.sh`: `python scripts/gpu_check.py FOLDER [SCRIPTS PHOTOS]`.

Every check is a command of its own; one that fails costs no other. Ends with 1 when one failed.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from sdexp.ground.run import RunFolder
from sdexp.launch.compose import compose
from sdexp.recipes import build_recipes

CHECKOUT = Path(__file__).parents[1]
GOLDEN = CHECKOUT / "tests" / "golden" / "losses.json"
QUIET = [
    "tracker=none", "evaluation=none", "training.validation_steps=null",
    "training.validation_images_steps=null", "training.checkpointing_steps=null",
]  # fmt: skip
# As in tests/golden, on pictures of the embedded world.
AS_RECORDED = [
    "debug=fast", "dataset.num_train=40", "dataset.num_val=8", "dataset.num_test=12",
    "training.max_train_steps=10", "training.gradient_accumulation_steps=2",
    "objective.snr_gamma=5.0", "objective.noise_offset=0.05", "training.random_flip=true",
]  # fmt: skip
EXACT = ["hardware=gpu", "hardware.mixed_precision=no", "hardware.frozen_dtype=no"]
# Of one step and of ten; TF32 is off, but sums run in another order.
TOLERANCES = {"exact": 1e-3, "bf16": 0.05, "fp16": 0.05}
SIZE = 512
STEPS = 24
PICTURES = 64


def train(folder: Path, *words: str) -> RunFolder:
    """A run, unless it is there."""
    run = RunFolder(folder)
    if not run.record.is_file():
        command = [sys.executable, "-m", "sdexp.train", *QUIET, *words, f"run_dir={folder}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return run


def rows(run: RunFolder) -> list[dict[str, Any]]:
    logged = [json.loads(line) for line in run.log.read_text().splitlines()]
    return [row for row in logged if (row["split"], row["name"]) == ("train", "loss")]


def losses_are_those_of_the_cpu(root: Path) -> str:
    """Largest relative difference of ten losses, by strategy."""
    told = []
    for strategy, recorded in json.loads(GOLDEN.read_text()).items():
        run = train(root / f"exact-{strategy}", f"finetune={strategy}", *AS_RECORDED, *EXACT)
        told.append(f"{strategy} {compared(rows(run), recorded, 'exact'):.1e}")
    return ", ".join(told)


def half_precision_follows(root: Path) -> str:
    """The same for bf16, and for fp16 with its gradient scaler."""
    told = []
    recorded = json.loads(GOLDEN.read_text())["lora"]
    for precision in ("bf16", "fp16"):
        words = ["hardware=gpu", f"hardware.mixed_precision={precision}"]
        words.append(f"hardware.frozen_dtype={precision}")
        run = train(root / precision, "finetune=lora", *AS_RECORDED, *words)
        told.append(f"{precision} {compared(rows(run), recorded, precision):.1e}")
    return ", ".join(told)


def compared(found: list[dict[str, Any]], recorded: list[float], precision: str) -> float:
    """The largest relative difference; raises `ValueError` where it is too large."""
    pairs = zip((row["value"] for row in found), recorded, strict=True)
    worst = max(abs(value - wanted) / wanted for value, wanted in pairs)
    if not worst < TOLERANCES[precision]:
        raise ValueError(f"{precision}: losses differ by {worst:.2e} of their size")
    return worst


def same_bits_twice(root: Path) -> str:
    """Weights of two runs of one configuration."""
    words = ["finetune=unet", "hardware=gpu", "training.max_train_steps=20", "debug=fast"]
    files = [
        next(train(root / f"twice-{number}", *words).weights.rglob("*.safetensors")).read_bytes()
        for number in range(2)
    ]
    if files[0] != files[1]:
        raise ValueError("two runs of one configuration have other weights")
    return "the same"


def throughput(root: Path, photos: Path | None) -> str:
    """Pictures a second and GB at 512 pixels, of the real architecture with random weights."""
    told = []
    data = [] if photos is None else ["dataset=imagefolder", f"dataset.data_dir={photos}"]
    for strategy, batch in (("lora", 16), ("unet", 16)):
        run = train(
            root / f"speed-{strategy}", f"finetune={strategy}", "hardware=gpu", *data,
            "model=sd14", f"model.pretrained_model_name_or_path={model_of(root)}",
            f"training.resolution={SIZE}", f"training.train_batch_size={batch}",
            f"training.max_train_steps={STEPS}",
        )  # fmt: skip
        told.append(f"{strategy} {batch / step_of([r['time'] for r in rows(run)]):.1f} images/s")
        training = run.read_record().training
        assert training is not None
        told.append(f"{training.peak_memory_gb:.1f} GB")
    return ", ".join(told)


def step_of(times: list[float]) -> float:
    """Seconds of a step once nothing is new."""
    taken = [after - before for before, after in zip(times, times[1:], strict=False)]
    return statistics.median(taken[len(taken) // 2 :])


def model_of(root: Path) -> Path:
    """Random weights in the real layout, made once."""
    folder = root / "sd14"
    if not (folder / "model_index.json").is_file():
        words = ["model=sd14", "model.weights=random"]
        model: Any = build_recipes(compose("train", words).config).model.load("cpu")
        model.pipeline.save_pretrained(folder)
    return folder


def against_the_script(root: Path, scripts: Path, photos: Path) -> str:
    """Pictures a second of diffusers' LoRA script with bf16, and of ours, one after the other."""
    out = root / "script"
    command = [
        sys.executable, str(scripts / "train_text_to_image_lora.py"), "--rank=4",
        f"--pretrained_model_name_or_path={model_of(root)}", f"--train_data_dir={photos}",
        f"--resolution={SIZE}", "--center_crop", "--train_batch_size=8", "--seed=0",
        f"--max_train_steps={STEPS}", "--mixed_precision=bf16", f"--output_dir={out}",
        "--report_to=tensorboard",
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(next((out / "logs").rglob("events*")).parent))
    events.Reload()
    theirs = step_of([scalar.wall_time for scalar in events.Scalars("train_loss")])
    ours = train(
        root / "against", "finetune=lora", "finetune.rank=4", "finetune.lora_alpha=4",
        "hardware=gpu", "dataset=imagefolder", f"dataset.data_dir={photos}", "model=sd14",
        f"model.pretrained_model_name_or_path={model_of(root)}", f"training.resolution={SIZE}",
        "training.train_batch_size=8", f"training.max_train_steps={STEPS}",
    )  # fmt: skip
    own = step_of([row["time"] for row in rows(ours)])
    return f"{8 / theirs:.1f} and {8 / own:.1f} images/s: {theirs / own:.2f} times as fast"


def evaluation(root: Path) -> str:
    """Seconds of an evaluation of the embedded model, pictures and scores."""
    folder = root / "evaluation"
    words = ["finetune=lora", "hardware=gpu", "training.max_train_steps=50", "tracker=none"]
    command = [sys.executable, "-m", "sdexp.train", *words, f"run_dir={folder}"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    done = RunFolder(folder).read_record().evaluation
    assert done is not None
    return f"{done.pictures} pictures in {done.seconds:.0f} s"


def main(arguments: list[str]) -> int:
    root = Path(arguments[0])
    root.mkdir(parents=True, exist_ok=True)
    scripts, photos = [*map(Path, arguments[1:]), None, None][:2]
    checks: dict[str, Callable[[], str]] = {
        "losses against the CPU's": partial(losses_are_those_of_the_cpu, root),
        "half precision": partial(half_precision_follows, root),
        "same bits twice": partial(same_bits_twice, root),
        f"throughput at {SIZE} pixels": partial(throughput, root, photos),
        "evaluation": partial(evaluation, root),
    }
    if scripts is not None and photos is not None:
        checks["diffusers' LoRA script and ours"] = partial(
            against_the_script, root, scripts, photos
        )
    failed = 0
    for name, check in checks.items():
        began = time.monotonic()
        try:
            told = check()
        except (ValueError, AssertionError, OSError, subprocess.CalledProcessError) as error:
            failed += 1
            told = f"FAILED: {error}"
        print(f"{name}: {told} ({time.monotonic() - began:.0f} s)", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    os.chdir(CHECKOUT)
    sys.exit(main(sys.argv[1:]))
