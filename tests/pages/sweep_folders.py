"""Folders of sweeps with small but complete runs, and what stands on their pages."""

import csv
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from sdexp.ground.run import MODELS, RunFolder
from sdexp.pages.sweep.facts import read_sweep
from sdexp.pages.sweep.origin import warnings
from sdexp.pages.sweep.ranking import grouped

HOSTILE = "<script>alert(1)</script> | =1+1 [a](b) & $x_1"
FINETUNED = {("1e-3", 1): 30.0, ("1e-3", 2): 34.0, ("1e-4", 1): 50.0, ("1e-4", 2): 56.0}


def metric(finetuned: float, up: bool = False, **changes: Any) -> dict[str, Any]:
    return {
        "original": 100.0, "finetuned": finetuned, "difference": finetuned - 100, "p": 0.001,
        "ci95": [finetuned - 101, finetuned - 99], "higher_is_better": up, "n": 8,
        "backbone": "pocket-clip", "verdict": "better" if (finetuned > 100) == up else "worse",
        "minimum_detectable_effect": 0.4, "smallest_effect": 0.5, "n_reference": 50,
    } | changes  # fmt: skip


def scores(**metrics: dict[str, Any]) -> dict[str, Any]:
    return {
        "primary": next(iter(metrics), "kid"), "n_prompts": 8, "replicates": 1, "control": None,
        "sampling": {"resolution": 8}, "metrics": metrics, "applied": None, "controls": {},
        "drift": {"lpips_gt": {"value": 0.5, "ci95": [0.4, 0.6], "backbone": "pocket-clip"}},
        "warnings": ["fid rests on 50 real pictures"],
    }  # fmt: skip


def make_run(path: Path, seed: int, told: dict[str, Any] | None, lr: str = "1e-3") -> RunFolder:
    """A finished run with small pictures; `told` None is one that was not evaluated."""
    run = RunFolder(path)
    path.mkdir(parents=True)
    run.config.write_text(
        f"optimizer:\n  lr: {lr}\ntraining:\n  seed: {seed}\nrun_dir: {path}\n"
        "evaluation:\n  split: test\n  guidance_scale: 3.0\ntracker:\n  mine:\n    name: x\n"
    )
    run.update_record(
        status="finished", stage="evaluate", exit_code=0, reason=None, chosen_later=[],
        grown_from=[], command=f"python -m sdexp.train optimizer.lr={lr} run_dir=old",
        device="cpu", git={"commit": "c" * 40, "dirty": False}, versions={"torch": "2"},
        base_weights={"unet": "u" * 64}, data={"test": {"manifest": "m" * 64}},
        training={"steps": 100, "first_step": 1, "seconds": 50.0, "images_per_second": 8.0,
                  "peak_memory_gb": 1.5, "trainable_parameters": 1000},
    )  # fmt: skip
    losses = [{"step": s, "split": "validation", "name": "loss", "value": 1 / s} for s in (1, 2)]
    run.log.write_text("\n".join(map(json.dumps, losses)) + "\n")
    if told is not None:
        run.scores.write_text(json.dumps(told))
        make_pictures(run)
    return run


def make_pictures(run: RunFolder, prompts: int = 8) -> None:
    rows = []
    for name in (*MODELS, "reference"):
        run.images(name).mkdir(parents=True)
        for k in range(prompts):
            end = "" if name == "reference" else "_0"
            Image.new("RGB", (8, 8), (k, 0, 0)).save(run.images(name) / f"id{k}{end}.png")
    for model in MODELS:
        for k in range(prompts):
            rows.append({"prompt_id": f"id{k}", "replicate": 0, "model": model,
                         "caption": HOSTILE, "pixel_sha256": f"{k}"})  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), run.per_image)


def job(number: int, *overrides: str, **changes: Any) -> dict[str, Any]:
    return {
        "number": number, "overrides": list(overrides), "status": "finished", "exit_code": 0,
        "reason": None, "seconds": 60.0,
    } | changes  # fmt: skip


def write_record(folder: Path, jobs: list[dict[str, Any]]) -> None:
    record = {"command": "python -m sdexp.train -m x=1,2", "started": "2026", "ended": "2026",
              "status": "failed", "jobs": jobs}  # fmt: skip
    (folder / "sweep.json").write_text(json.dumps(record))


class Page(HTMLParser):
    """Tables as rows of cell texts, all texts, addresses and tags."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.tables: dict[str, list[list[str]]] = {}
        self.rows: list[list[str]] = []
        self.texts: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.feed((folder / "report.html").read_text())
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        given = dict(attrs)
        self.links += [str(given[key]) for key in ("src", "href", "xlink:href") if key in given]
        if tag == "table":
            self.rows = self.tables.setdefault(str(given.get("class")), [])
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
