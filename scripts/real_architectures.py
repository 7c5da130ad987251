"""What training takes on the real architectures: `python scripts/real_architectures.py [FOLDER]`.

The weights are random, because those of Stable Diffusion are not needed to measure: seconds of a
step (the mean without the first) and the peak memory of a few steps on pictures of noise. A case
that is done in FOLDER (`outputs/real_architectures`) is not done again.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from sdexp.ground.log import read_log
from sdexp.ground.record_files import read_record
from sdexp.ground.records import RunRecord
from sdexp.ground.run import RunFolder

PICTURES = 12
CASES = {
    "sd14 LoRA, 512 pixels": "model=sd14 finetune=lora training.resolution=512",
    "sd14 whole U-Net with EMA, 128 pixels": (
        "model=sd14 finetune=unet training.use_ema=true training.resolution=128"
    ),
    "sdxl LoRA, 256 pixels": "model=sdxl finetune=lora training.resolution=256",
}
FIXED = (
    "model.weights=random evaluation=none tracker=none dataset=imagefolder "
    "training.train_batch_size=1 training.max_train_steps=4 training.validation_steps=null "
    "training.validation_images_steps=null training.checkpointing_steps=null"
)


def write_pictures(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    draws = np.random.default_rng(0)
    lines = []
    for number in range(PICTURES):
        pixels = draws.integers(0, 256, (512, 512, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")
        lines.append(json.dumps({"file_name": f"{number}.png", "text": f"noise number {number}"}))
    (folder / "metadata.jsonl").write_text("\n".join(lines))


def main(arguments: list[str]) -> None:
    root = Path(arguments[0] if arguments else "outputs/real_architectures")
    write_pictures(root / "pictures")
    print("| | seconds per step | peak memory |\n|---|---|---|")
    for number, (name, words) in enumerate(CASES.items()):
        run = RunFolder(root / str(number))
        if not run.record.is_file():
            command = [sys.executable, "-m", "sdexp.train", *words.split(), *FIXED.split()]
            command += [f"dataset.data_dir={root / 'pictures'}", f"run_dir={run.path}"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        training = read_record(run.record, RunRecord).training
        assert training is not None
        times = [row.time for row in read_log(run.log).rows if row.name == "loss"]
        seconds = (times[-1] - times[0]) / (len(times) - 1)
        print(f"| {name} | {seconds:.1f} s | {training.peak_memory_gb:.1f} GB |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
