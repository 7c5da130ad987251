"""Run the embedded default with every strategy and print the README's table.

`python scripts/three_strategies.py [FOLDER]`; finished runs in FOLDER are not run again.
"""

import json
import subprocess
import sys
from pathlib import Path

STRATEGIES = ("lora", "unet", "text_encoder")


def run(strategy: str, folder: Path) -> None:
    """Train, evaluate and report."""
    command = [sys.executable, "-m", "sdexp.train", f"finetune={strategy}", f"run_dir={folder}"]
    subprocess.run(command, check=True)


def row(strategy: str, folder: Path) -> str:
    scores = json.loads((folder / "scores.json").read_text())["metrics"]
    record = json.loads((folder / "run.json").read_text())
    fd, kid, clip = scores["fd"], scores["kid"], scores["clip_score"]
    memory = max(record[stage]["peak_memory_gb"] for stage in ("training", "evaluation"))
    whole = record["training"]["first_step"] == 1
    cells = [
        strategy,
        f"{record['command_seconds']:.0f} s" if whole else "interrupted",
        f"{memory:.1f} GB",
        f"{kid['original']:.0f} -> {kid['finetuned']:.0f} ({kid['verdict']})",
        f"{fd['original']:.1f} -> {fd['finetuned']:.1f}",
        f"{fd['finetuned'] / fd['original']:.2f}",
        f"{clip['original']:.2f} -> {clip['finetuned']:.2f} ({clip['verdict']})",
    ]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "outputs/three_strategies")
    rows = []
    for strategy in STRATEGIES:
        folder = root / strategy
        if not (folder / "scores.json").exists():
            run(strategy, folder)
        rows.append(row(strategy, folder))
    print("| strategy | whole command | peak memory | KID x1000 | FD | ratio | CLIP score |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    main()
