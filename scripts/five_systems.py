"""The five published studies, run here: `python scripts/five_systems.py [FOLDER] [--real PHOTOS]`.

On the embedded world each runs from its training to its report, for the table of the README.
Learning rates are those of the studies; some are too small to teach the embedded model anything,
and show only that everything is there. With `--real` each takes a few steps at its real size, with
random weights, on a folder of photos with captions. What is done in FOLDER
(`outputs/five_systems`) is not done again.
"""

import subprocess
import sys
from pathlib import Path

from sdexp.ground.log import read_log
from sdexp.ground.record_files import read_record
from sdexp.ground.run import RunFolder
from sdexp.ground.score_records import ScoresRecord

# What a study says of its data, in the embedded world: as many pictures.
SYSTEMS = {
    "A unet_flickr30k": "",
    "B text_encoder_flickr8k": "",
    "C lora_turbo_impressionism": "dataset.num_train=100",
    "D lora_flickr30k": "",
    "E unet_unsplash_lite": "",
}
EMBEDDED = (
    "model=pocket dataset=pocket tracker=none metric=[kid,fd,lpips_gt,clip_score] "
    "evaluation.primary=kid"
)
METRICS = ("fd", "kid", "lpips_gt", "clip_score")
REAL = (
    "model.weights=random evaluation=none tracker=none dataset=imagefolder "
    "training.train_batch_size=1 training.gradient_accumulation_steps=1 "
    "training.num_train_epochs=null training.max_train_steps=3 training.validation_steps=null "
    "training.validation_images_steps=null training.checkpointing_steps=null "
    "training.early_stopping.patience=null"
)


def run(experiment: str, folder: Path, words: list[str]) -> RunFolder:
    """Carry a study out, unless it is done."""
    made = RunFolder(folder)
    if not made.record.is_file() or made.read_record().status != "finished":
        command = [sys.executable, "-m", "sdexp.train", f"experiment={experiment}", *words]
        subprocess.run([*command, f"run_dir={folder}"], check=True)
    return made


def embedded_row(name: str, words: str, root: Path) -> str:
    made = run(name.split()[1], root / name.split()[0], [*EMBEDDED.split(), *words.split()])
    record = made.read_record()
    training = record.training
    assert training is not None and record.command_seconds is not None
    losses = [row.value for row in read_log(made.log).rows if row.split == "validation"]
    scores = read_record(made.scores, ScoresRecord).metrics
    cells = [
        name,
        f"{training.steps}",
        f"{losses[0]:.4f} -> {losses[-1]:.4f}",
        *(f"{scores[metric].original:.4g} -> {scores[metric].finetuned:.4g}" for metric in METRICS),
        scores["kid"].verdict,
        f"{record.command_seconds / 60:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def real_row(name: str, photos: Path, root: Path) -> str:
    words = [*REAL.split(), f"dataset.data_dir={photos}"]
    made = run(name.split()[1], root / f"{name.split()[0]}_real", words)
    training = made.read_record().training
    assert training is not None
    times = [row.time for row in read_log(made.log).rows if row.name == "loss"]
    seconds = (times[-1] - times[0]) / (len(times) - 1)
    cells = [
        name,
        f"{training.trainable_parameters:,}",
        f"{seconds:.1f} s",
        f"{training.peak_memory_gb:.1f} GB",
    ]
    return f"| {' | '.join(cells)} |"


def main(arguments: list[str]) -> None:
    photos = None
    if "--real" in arguments:
        place = arguments.index("--real")
        photos = Path(arguments[place + 1]).absolute()
        arguments = arguments[:place] + arguments[place + 2 :]
    root = Path(arguments[0] if arguments else "outputs/five_systems")
    if photos is not None:
        print("| | parameters that train | seconds per step | peak memory |\n|---|---|---|---|")
    else:
        heads = ["", "steps", "validation loss", *METRICS, "verdict (kid)", "minutes"]
        print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for name, words in SYSTEMS.items():
        row = real_row(name, photos, root) if photos else embedded_row(name, words, root)
        print(row, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
