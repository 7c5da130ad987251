"""Offline W&B runs read back."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from sdexp.ground.run import RunFolder


def records(run: RunFolder) -> list[dict[str, Any]]:
    """Every record of the folder's offline W&B runs, oldest first."""
    found = []
    for file in sorted(run.wandb.glob("offline-run-*/*.wandb")):
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        found += [json.loads(line) for line in done.stdout.splitlines()]
    return found


def history(run: RunFolder) -> dict[int, dict[str, Any]]:
    """What was logged, by step; a run that was continued or evaluated later adds to its steps."""
    steps: dict[int, dict[str, Any]] = {}
    for record in records(run):
        if record["type"] == "history":
            row = record["history"]["item"]
            steps.setdefault(row["_step"], {}).update(row)
    return steps


def staged_files(run: RunFolder) -> dict[str, Path]:
    """What W&B will send with its tables: the files of every artifact by their names."""
    manifests = [r["artifact"]["manifest"] for r in records(run) if r["type"] == "artifact"]
    return {e["path"]: Path(e["local_path"]) for m in manifests for e in m["contents"]}
