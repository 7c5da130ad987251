"""Three trainings whose truth is known: `python scripts/planted_truth.py [FOLDER]`.

One far too long on 20 pictures, one on a look that the original does not know, and a short one: the
first copies, the second forgets, the third does neither. Whole commands on the embedded world.
"""

import subprocess
import sys
from pathlib import Path

from sdexp.ground.record_files import read_record
from sdexp.ground.run import RunFolder
from sdexp.ground.score_records import ScoresRecord
from sdexp.pages.run.questions import answers

COMMON = ["tracker=none", "finetune=unet", "training.validation_images_steps=null"]
TRAININGS = {
    "20 pictures, 3000 steps": [
        "dataset.num_train=20", "training.max_train_steps=3000", "optimizer.lr=3e-4",
        "scheduler=constant",
    ],
    "another look, 600 steps": ["dataset.look=woodcut", "optimizer.lr=3e-4"],
    "20 steps, a tenth of the rate": ["training.max_train_steps=20", "optimizer.lr=1e-5"],
}  # fmt: skip


def trained(root: Path, name: str, words: list[str]) -> ScoresRecord:
    """The scores of a run, which is made unless it is there."""
    run = RunFolder(root / name.replace(" ", "_").replace(",", ""))
    if not run.scores.is_file():
        command = ["-m", "sdexp.train", *COMMON, *words, f"run_dir={run.path}"]
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
    return read_record(run.scores, ScoresRecord)


def main(arguments: list[str]) -> None:
    root = Path(arguments[0] if arguments else "outputs/planted_truth")
    print("| training | learned | kept the rest | copies | general clip_score | copies, p |")
    print("|---|---|---|---|---|---|")
    for name, words in TRAININGS.items():
        scores = trained(root, name, words)
        told = answers(scores)
        general = scores.guards.general["clip_score"]
        copying = scores.guards.copying
        assert copying is not None
        cells = [
            name,
            *told.values(),
            f"{general.difference:+.2f} ({general.verdict})",
            f"{copying.share.value:.0%} of held-out prompts, {copying.train_share.value:.0%} of "
            f"training captions, {copying.p:.3f} and {copying.train_p:.3f}",
        ]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main(sys.argv[1:])
