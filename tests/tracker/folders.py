"""What a run writes, without a run."""

import itertools
import json
from pathlib import Path
from typing import Any

from PIL import Image

from sdexp.ground.record_files import write_record
from sdexp.ground.records import EvaluatedRecord, EvaluationRecord
from sdexp.ground.rows import write_rows
from sdexp.ground.run import RunFolder
from tests import records

CLOCK = itertools.count(1.0)


def log(run: RunFolder, split: str, step: int, **values: float) -> None:
    """Numbers after a step."""
    time = next(CLOCK)
    rows = [{"split": split, "step": step, "name": n, "value": v} for n, v in values.items()]
    records.write_log(run.log, [row | {"time": time} for row in rows])


def save(file: Path, shade: int) -> None:
    """A small picture of a shade of red."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (shade, 0, 0)).save(file)


def show(run: RunFolder, step: int, *captions: str, shade: int = 9) -> None:
    """Validation pictures, each a shade darker than the one before."""
    for number in range(len(captions)):
        save(run.validation / f"{step:06d}" / f"{number}.png", shade - number)
    (run.validation / "prompts.json").write_text(json.dumps(captions))


def evaluate(run: RunFolder, value: float, name: str = "", **changes: Any) -> None:
    """A whole evaluation of one prompt; with a name, beside the run's own."""
    folder = run.evaluation(name)
    rows = [records.row("p", model, "a disc", kid=value) for model in ("original", "finetuned")]
    for shade, row in enumerate(rows):
        save(folder.path / row.path, shade)
    write_rows(folder.per_image, rows)
    if name:
        took = EvaluatedRecord(1.0, 2, 0.1)
        record = EvaluationRecord("evaluate", "now", [], [], steps=2, evaluation=took)
        write_record(folder.evaluation_record, record)
    write_record(folder.scores, records.scores({"kid": records.metric(value)}, **changes))
