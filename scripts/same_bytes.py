"""Prove that weights and pictures of the three strategies are those of another commit.

    python scripts/same_bytes.py COMMIT [FOLDER]

Trains and evaluates the embedded default with each strategy, by the code of COMMIT and by that of
this checkout, each with an empty store. Finished runs in FOLDER are not run again. Ends with 1
when a byte of `weights/` or of a picture differs.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
STRATEGIES = ("lora", "unet", "text_encoder")
COMPARED = ("weights/**/*", "images/**/*.png")


def run_all(checkout: Path, folder: Path) -> None:
    """Every strategy by the code of a checkout, below `folder`."""
    own = {"PYTHONPATH": str(checkout), "SDEXP_STORE": str(folder / "store")}
    for strategy in STRATEGIES:
        run = folder / strategy
        if (run / "scores.json").exists():
            continue
        command = [sys.executable, "-m", "sdexp.train", f"finetune={strategy}", f"run_dir={run}"]
        command += ["tracker=none"]
        subprocess.run(command, cwd=checkout, env=os.environ | own, check=True)


def digests(run: Path) -> dict[str, str]:
    """sha256 of everything that is compared."""
    files = sorted(file for pattern in COMPARED for file in run.glob(pattern) if file.is_file())
    return {
        str(file.relative_to(run)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files
    }


def compare(strategy: str, old: Path, new: Path) -> bool:
    """Say how many files are equal; true when all of them are."""
    before, after = digests(old / strategy), digests(new / strategy)
    names = before.keys() | after.keys()
    differing = sorted(name for name in names if before.get(name) != after.get(name))
    pictures = sum(name.endswith(".png") for name in before)
    print(f"{strategy}: {len(before) - pictures} files of weights, {pictures} pictures, "
          f"{len(differing)} differ {differing[:3]}")  # fmt: skip
    return bool(before) and not differing


def main() -> int:
    commit = sys.argv[1]
    folder = Path(sys.argv[2] if len(sys.argv) > 2 else tempfile.mkdtemp()).resolve()
    with tempfile.TemporaryDirectory() as temporary:
        checkout = Path(temporary) / "checkout"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", str(checkout), commit], check=True)
        try:
            run_all(checkout, folder / "old")
        finally:
            subprocess.run([*git, "remove", "--force", str(checkout)], check=True)
    run_all(ROOT, folder / "new")
    return 0 if all([compare(s, folder / "old", folder / "new") for s in STRATEGIES]) else 1


if __name__ == "__main__":
    sys.exit(main())
