"""Records for tests: complete ones from a few values."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sdexp.ground.applied import Applied
from sdexp.ground.build import SECTIONS
from sdexp.ground.log import LogRow, append_rows, now, read_log
from sdexp.ground.records import RunRecord, SplitRecord, TrainingRecord
from sdexp.ground.rows import PictureRow
from sdexp.ground.sampling import Sampling
from sdexp.ground.score_records import MetricRecord, ScoresRecord, ShareRecord

TRAINING = TrainingRecord(
    steps=100,
    epochs=2.0,
    first_step=1,
    seconds=50.0,
    images_per_second=8.0,
    trainable_parameters=1000,
    total_parameters=10_000,
    best_step=None,
    peak_memory_gb=1.5,
)
FINISHED = RunRecord(
    command="python -m sdexp.train",
    status="finished",
    stage="evaluate",
    exit_code=0,
    device="cpu",
    versions={"torch": "2"},
    training=TRAINING,
)


def logged(path: Path) -> list[dict[str, Any]]:
    """The good rows of a log as plain values."""
    return [asdict(row) for row in read_log(path).rows]


def config_text(own: str) -> str:
    """A run's configuration as YAML: these sections, and nothing in the others."""
    empty = [s for s in SECTIONS if not any(line.startswith(f"{s}:") for line in own.split("\n"))]
    return own + "".join(f"{section}: null\n" for section in empty)


def write_log(path: Path, rows: list[dict[str, Any]]) -> None:
    """Append rows of some values to a log."""
    usual = {"epoch": 0.1, "split": "train", "name": "loss", "value": 0.5, "time": now()}
    append_rows(path, [LogRow(**(usual | row)) for row in rows])


def split(manifest: str, **values: Any) -> SplitRecord:
    """A split without a finding."""
    usual: dict[str, Any] = {
        "pictures": 9, "captions": 45, "lost": 0, "dropped": {}, "repaired": {}, "enlarged": 0,
        "overlong": 0,
    }  # fmt: skip
    return SplitRecord(manifest=manifest, **(usual | values))


def metric(finetuned: float, up: bool = False, **changes: Any) -> MetricRecord:
    """A clear difference from 100."""
    record = MetricRecord(
        original=100.0,
        finetuned=finetuned,
        difference=finetuned - 100,
        ci95=(finetuned - 101, finetuned - 99),
        p=0.001,
        least_p=0.001,
        minimum_detectable_effect=0.4,
        needed_prompts=6,
        effect_size=1.5,
        wins=ShareRecord(0.75, (0.4, 0.9)),
        smallest_effect=0.5,
        higher_is_better=up,
        unit="x 1000",
        backbone="pocket-clip",
        backbone_sha256="b" * 64,
        verdict="better" if (finetuned > 100) == up else "worse",
        n=8,
        n_reference=50,
    )
    return replace(record, **changes)


def scores(metrics: dict[str, MetricRecord], **changes: Any) -> ScoresRecord:
    """An evaluation of these metrics, the first of them primary."""
    record = ScoresRecord(
        primary=next(iter(metrics)),
        n_prompts=8,
        n_split=50,
        replicates=1,
        control=None,
        sampling=Sampling("ddim", 20, 3.0, "", 64, 64),
        fitted=None,
        metrics=metrics,
        applied=Applied(112, 111),
        warnings=["fid rests on 50 real pictures"],
    )
    return replace(record, **changes)


def row(prompt: str, model: str, caption: str, **scored: float) -> PictureRow:
    """A picture of replicate 0; pictures of one prompt have equal hashes."""
    path = f"images/{model}/{prompt}_0.png"
    return PictureRow(prompt, 0, model, f"{prompt}.jpg", caption, path, prompt, scored)
