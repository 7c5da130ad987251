from dataclasses import replace
from pathlib import Path

import pytest

from sdexp.dataset.scenes import captions, draw, make_scene
from sdexp.ground.record_files import write_record
from sdexp.ground.rows import write_rows
from sdexp.ground.run import MODELS, RunFolder
from tests import records
from tests.pages.run.folders import HOSTILE, scores
from tests.pages.sweep_folders import make_sweep
from tests.records import write_log


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two learning rates by two seeds, and three jobs that left nothing to score."""
    return make_sweep(tmp_path)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A finished run with drawn pictures and one hostile caption."""
    folder = RunFolder(tmp_path)
    rows = []
    for k in range(12):
        scene = make_scene(k)
        looks = {"original": "plain", "finetuned": "crayon", "reference": "crayon"}
        for name, look in looks.items():
            folder.images(name).mkdir(parents=True, exist_ok=True)
            suffix = "" if name == "reference" else "_0"
            draw(scene, look).save(folder.images(name) / f"id{k:02d}{suffix}.png")
        for model in MODELS:
            gain = (k * 7 % 12) if model == "finetuned" else 0
            caption = HOSTILE if k == 0 else captions(scene)[0]
            rows.append(records.row(f"id{k:02d}", model, caption, clip_score=10.0 + gain))
    write_rows(folder.per_image, rows)
    write_record(folder.scores, scores())
    folder.config.write_text(records.config_text("training:\n  seed: 0\n"))
    steps = [(step, split) for step in range(20) for split in ("train", "validation")]
    write_log(folder.log, [{"step": s, "split": split, "value": 1 / (s + 1)} for s, split in steps])
    folder.write_record(
        replace(
            records.FINISHED,
            choices={"model": "pocket", "finetune": "lora", "dataset": "pocket"},
            data={"train": records.split("f" * 64, lost=1, dropped={"bad<b> truncated": 1})},
        )
    )
    return folder
