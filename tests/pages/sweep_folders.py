"""Folders of sweeps with small but complete runs, and what stands on their pages."""

import csv
import json
from dataclasses import asdict, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from PIL import Image

from sdexp.ground.record_files import FORMAT
from sdexp.ground.record_files import write_record as write
from sdexp.ground.records import GitRecord, SweepJob, SweepRecord
from sdexp.ground.rows import PromptRow, write_prompt_rows, write_rows
from sdexp.ground.run import MODELS, RunFolder
from sdexp.ground.score_records import DriftRecord, MetricRecord
from sdexp.pages.sweep.facts import read_sweep
from sdexp.pages.sweep.origin import warnings
from sdexp.pages.sweep.ranking import grouped
from tests import records
from tests.pages.markup import without_script

HOSTILE = "<script>alert(1)</script> | =1+1 [a](b) & $x_1"
FINETUNED = {("1e-3", 1): 30.0, ("1e-3", 2): 34.0, ("1e-4", 1): 50.0, ("1e-4", 2): 56.0}


def metric(finetuned: float, up: bool = False, **changes: Any) -> dict[str, Any]:
    return asdict(records.metric(finetuned, up, **changes))


def scores(**metrics: dict[str, Any]) -> dict[str, Any]:
    """What stands in scores.json."""
    chosen = metrics or {"kid": metric(9)}
    made = {name: MetricRecord(**values) for name, values in chosen.items()}
    drift = {"lpips_gt": DriftRecord(0.5, (0.4, 0.6), "pocket-clip")}
    record = records.scores(made, applied=None, drift=drift)
    return {"format": FORMAT} | asdict(record)


def make_run(path: Path, seed: int, told: dict[str, Any] | None, lr: str = "1e-3") -> RunFolder:
    """A finished run with small pictures; `told` None is one that was not evaluated."""
    run = RunFolder(path)
    path.mkdir(parents=True)
    run.config.write_text(
        records.config_text(
            f"optimizer:\n  lr: {lr}\ntraining:\n  seed: {seed}\nrun_dir: {path}\n"
            "evaluation:\n  split: test\n  guidance_scale: 3.0\ntracker:\n  mine:\n    name: x\n"
        )
    )
    run.write_record(
        replace(
            records.FINISHED,
            command=f"python -m sdexp.train optimizer.lr={lr} run_dir=old",
            git=GitRecord("c" * 40, False),
            base_weights={"unet": "u" * 64},
            data={"test": records.split("m" * 64)},
        )
    )
    losses = [{"step": s, "split": "validation", "value": 1 / s} for s in (1, 2)]
    records.write_log(run.log, losses)
    if told is not None:
        run.scores.write_text(json.dumps(told))
        make_pictures(run)
        make_prompts(run, told["metrics"])
    return run


def make_pictures(run: RunFolder, prompts: int = 8) -> None:
    for name in (*MODELS, "reference"):
        run.images(name).mkdir(parents=True)
        for k in range(prompts):
            end = "" if name == "reference" else "_0"
            Image.new("RGB", (8, 8), (k, 0, 0)).save(run.images(name) / f"id{k}{end}.png")
    rows = [records.row(f"id{k}", model, HOSTILE) for model in MODELS for k in range(prompts)]
    write_rows(run.per_image, rows)


def make_prompts(run: RunFolder, metrics: dict[str, Any], prompts: int = 8) -> None:
    """What each prompt adds: the score of the finetuned model, a little more or less."""
    rows = []
    for k in range(prompts):
        own = {name: one["finetuned"] + 0.1 * (k % 3 - 1) for name, one in metrics.items()}
        rows += [PromptRow(f"id{k}", model, own) for model in MODELS]
    write_prompt_rows(run.per_prompt, rows)


def job(number: int, *overrides: str, **changes: Any) -> SweepJob:
    return replace(SweepJob(number, list(overrides), "finished", 0, None, 60.0), **changes)


def write_record(folder: Path, jobs: list[SweepJob]) -> None:
    record = SweepRecord("python -m sdexp.train -m x=1,2", "failed", "2026", jobs, "2026")
    write(folder / "sweep.json", record)


def make_sweep(folder: Path) -> Path:
    """Two learning rates by two seeds, and three jobs that left nothing to score."""
    jobs = []
    for number, ((lr, seed), value) in enumerate(FINETUNED.items()):
        drift = {"lpips_gt": {"value": 0.1 * (number + 1), "ci95": None, "backbone": "x"}}
        told = scores(kid=metric(value), clip=metric(101 + number, up=True)) | {"drift": drift}
        make_run(folder / str(number), seed, told, lr)
        jobs.append(job(number, f"optimizer.lr={lr}", f"+training.seed={seed}", "a.b=1"))
    jobs.append(
        job(4, "optimizer.lr=1", "training.seed=1", "a.b=1", status="failed", exit_code=76,
            reason=HOSTILE)
    )  # fmt: skip
    jobs.append(job(5, "optimizer.lr=1", "training.seed=2", "a.b=1", status="waiting",
                    exit_code=None))  # fmt: skip
    jobs.append(job(6, f"optimizer.lr={HOSTILE}", "a.b=1", status="interrupted", exit_code=130))
    half = make_run(folder / "4", 1, None, "1")
    half.change_record(status="failed")
    half.per_image.write_bytes(b"PAR1")
    half.scores.write_text('{"primary": "ki')
    write_record(folder, jobs)
    return folder


class Page(HTMLParser):
    """Tables as rows of cell texts, all texts, addresses and tags."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.rows: list[list[str]] = []
        self.texts: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.feed(without_script((folder / "report.html").read_text()))
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        self.links += [str(given[key]) for key in ("src", "href", "xlink:href") if key in given]
        if tag == "table":
            name, _, _ = str(given.get("class")).partition(" ")
            self.rows = self.tables.setdefault(name, [])
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th") and self.rows:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self.rows = []

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if self.rows and self.rows[-1]:
            self.rows[-1][-1] = " ".join(f"{self.rows[-1][-1]} {data}".split())


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "runs.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def told(folder: Path) -> list[str]:
    found = read_sweep(folder)
    return warnings(found, grouped(found))
