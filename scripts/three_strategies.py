"""Run the embedded default with every strategy and print the README's table.

`python scripts/three_strategies.py [FOLDER]`; finished runs in FOLDER are not run again.
"""

import json
import subprocess
import sys
import time
from pathlib import Path

STRATEGIES = ("lora", "unet", "text_encoder")


def run(strategy: str, folder: Path) -> float:
    """Train, evaluate and report; returns seconds of the whole command."""
    began = time.monotonic()
    command = [sys.executable, "-m", "sdexp.train", f"finetune={strategy}", f"run_dir={folder}"]
    subprocess.run(command, check=True)
    return time.monotonic() - began


def row(strategy: str, folder: Path, seconds: float) -> str:
    scores = json.loads((folder / "scores.json").read_text())["metrics"]
    record = json.loads((folder / "run.json").read_text())
    fid, kid, clip = scores["fid"], scores["kid"], scores["clip_score"]
    memory = max(record[stage]["peak_memory_gb"] for stage in ("training", "evaluation"))
    cells = [
        strategy,
        f"{seconds:.0f} s",
        f"{memory:.1f} GB",
        f"{kid['original']:.0f} -> {kid['finetuned']:.0f} ({kid['verdict']})",
        f"{fid['original']:.1f} -> {fid['finetuned']:.1f}",
        f"{fid['finetuned'] / fid['original']:.2f}",
        f"{clip['original']:.2f} -> {clip['finetuned']:.2f} ({clip['verdict']})",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs/three_strategies")
    rows = []
    for strategy in STRATEGIES:
        folder = root / strategy
        finished = (folder / "scores.json").exists()
        seconds = float("nan") if finished else run(strategy, folder)
        rows.append(row(strategy, folder, seconds))
    print("| strategy | whole command | peak memory | KID x1000 | FID | ratio | CLIP score |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
