"""Several processes do what one does, and end together."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import torch
from safetensors.torch import load_file

from sdexp import train
from sdexp.ground.build import write_config
from sdexp.ground.interrupt import counting
from sdexp.ground.records import RunRecord
from sdexp.ground.run import RunFolder
from sdexp.launch import processes
from sdexp.launch.compose import compose
from tests import forks
from tests.conftest import FAST
from tests.records import logged

# 23 pictures in steps of 4: the last step of an epoch holds three.
COMMON = [
    *FAST, "dataset.num_train=23", "training.max_train_steps=9", "training.checkpointing_steps=3",
    "training.validation_images_steps=null", "training.validation_steps=4", "training.use_ema=true",
]  # fmt: skip
ONE = ["hardware.num_processes=1", "training.train_batch_size=4"]
TWO = ["hardware.num_processes=2", "training.train_batch_size=2"]


@pytest.fixture
def start(tmp_path: Path, tiny: str) -> Callable[..., RunFolder]:
    """Train a run in one or two processes; returns its folder."""

    def work(name: str, *overrides: str) -> RunFolder:
        run = RunFolder(tmp_path / name)
        run.path.mkdir(exist_ok=True)
        # Random attention is nearly even, so that Adam enlarges the rounding of its gradients.
        model = [] if "finetune=unet" in overrides else [tiny]
        config = compose("train", [*COMMON, *model, *overrides]).config
        write_config(run.config, config)
        run.write_record(RunRecord())
        ranks, port = config.hardware.num_processes, processes.free_port()
        children = [
            forks.start(forks.train_rank, run.path, tmp_path / "store", rank, ranks, port)
            for rank in range(ranks)
        ]
        for child in children:
            child.join()
            assert child.exitcode == 0
        return run

    return work


def seen(run: RunFolder) -> list[str]:
    """What the samples of each step saw, over all processes."""
    lines = [line for file in run.path.glob("seen-*") for line in file.read_text().splitlines()]
    return sorted(lines)


def train_rows(run: RunFolder, name: str) -> dict[int, float]:
    rows = [r for r in logged(run.log) if r["split"] == "train" and r["name"] == name]
    assert len({r["step"] for r in rows}) == len(rows)
    return {r["step"]: r["value"] for r in rows}


def weights(run: RunFolder) -> dict[str, torch.Tensor]:
    (file,) = run.weights.rglob("*.safetensors")
    return load_file(file)


def is_key_bias(name: str) -> bool:
    """Softmax does not see it, so its gradient is zero but for rounding, which Adam enlarges."""
    return name.endswith(("k_proj.bias", "to_k.bias"))


def same_weights(one: RunFolder, two: RunFolder) -> list[str]:
    """Compare all tensors to 1e-5 of the largest weight; returns the key biases left out."""
    a, b = weights(one), weights(two)
    assert a.keys() == b.keys()
    for name in a:
        if not is_key_bias(name):
            torch.testing.assert_close(a[name], b[name], rtol=1e-5, atol=1e-5)
    return sorted(name for name in a if is_key_bias(name))


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["lora", "unet", "text_encoder"])
def test_two_processes_do_what_one_does(start: Callable[..., RunFolder], strategy: str) -> None:
    options = [f"finetune={strategy}", "training.gradient_accumulation_steps=1"]
    if strategy == "lora":
        options = [f"finetune={strategy}", "training.gradient_accumulation_steps=2"]
    one, two = start("one", *options, *ONE), start("two", *options, *TWO)
    assert seen(one) == seen(two) and len(seen(one)) > 9 * 2 * 3
    assert train_rows(one, "learning_rate") == train_rows(two, "learning_rate")
    assert train_rows(one, "loss") == pytest.approx(train_rows(two, "loss"), rel=1e-5)
    assert train_rows(one, "grad_norm") == pytest.approx(train_rows(two, "grad_norm"), rel=1e-4)
    biases = same_weights(one, two)
    expected = ["text_model.encoder.layers.0.self_attn.k_proj.bias"]
    assert biases == (expected if strategy == "text_encoder" else [])


@pytest.mark.slow
def test_two_processes_score_what_one_does(start: Callable[..., RunFolder]) -> None:
    """Six pictures in batches of two: the second process makes one batch of three."""
    asked = [
        "finetune=unet", "training.validation_metrics_steps=4", "training.num_validation_prompts=6",
        "evaluation.batch_size=2", "training.early_stopping.patience=2",
        "training.early_stopping.monitor=validation/lpips_gt",
    ]  # fmt: skip
    one, two = start("one", *asked, *ONE), start("two", *asked, *TWO)
    for name in ("kid", "fd", "clip_score", "lpips_gt"):
        told = [
            {r["step"]: r["value"] for r in logged(run.log) if r["name"] == name}
            for run in (one, two)
        ]
        assert list(told[0]) == [0, 4, 8, 9]
        assert told[0] == pytest.approx(told[1], rel=1e-3)
    assert same_weights(one, two) == []


@pytest.mark.slow
def test_a_run_goes_on_in_two_processes_and_back(start: Callable[..., RunFolder]) -> None:
    whole = start("whole", "finetune=unet", *ONE)
    run = RunFolder(whole.path.with_name("mixed"))
    for step, hardware in ((3, ONE), (6, TWO), (9, ONE)):
        start("mixed", "finetune=unet", *hardware)
        for later in [p for p in run.checkpoints.iterdir() if int(p.name) > step]:
            shutil.rmtree(later)
        if step < 9:
            shutil.copytree(run.checkpoints, run.path / "kept", dirs_exist_ok=True)
            # As if it had been killed after this step: what came later is gone.
            shutil.rmtree(run.checkpoints)
            shutil.copytree(run.path / "kept", run.checkpoints)
    assert train_rows(run, "loss") == pytest.approx(train_rows(whole, "loss"), rel=1e-5)
    assert same_weights(whole, run) == []


@pytest.mark.slow
def test_an_evaluation_over_two_processes_has_the_same_pictures_and_scores(
    start: Callable[..., RunFolder], tmp_path: Path
) -> None:
    run = start("one", "finetune=unet", "optimizer.lr=0.01", *ONE)
    two = RunFolder(tmp_path / "two")
    shutil.copytree(run.path, two.path)
    for ranks, folder in ((1, run), (2, two)):
        overrides = ["evaluation.num_prompts=6", "evaluation.batch_size=2", "optimizer.lr=0.01"]
        hardware = ONE if ranks == 1 else TWO
        config = compose("train", [*COMMON, "finetune=unet", *overrides, *hardware]).config
        write_config(folder.config, config)
        port = processes.free_port()
        store = tmp_path / f"store-{ranks}"
        children = [
            forks.start(forks.evaluate_rank, folder.path, store, rank, ranks, port)
            for rank in range(ranks)
        ]
        for child in children:
            child.join()
            assert child.exitcode == 0
    assert run.scores.read_bytes() == two.scores.read_bytes()
    for model in ("original", "finetuned", "reference"):
        pictures = {p.name: p.read_bytes() for p in run.images(model).iterdir()}
        assert pictures == {p.name: p.read_bytes() for p in two.images(model).iterdir()}
    assert not two.partial.exists()


@pytest.mark.slow
@pytest.mark.cold
@pytest.mark.parametrize(
    ("rank", "kind"),
    [(1, "sigkill"), (1, "sigstop"), (0, "loop"), (1, "exception"), (1, "exit0")],
)
def test_a_rank_that_dies_or_hangs_ends_the_job(
    rank: int, kind: str, tiny: str, empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    monkeypatch.setenv("FAULT", f"{rank}:5:{kind}")
    monkeypatch.setattr(processes, "WORKER", "tests.faulty_worker")
    argv = [*COMMON, tiny, *TWO, "evaluation=none", "run_dir=run", "hardware.timeout=5"]
    assert train.main(argv) == 70
    run = RunFolder(empty_folder / "run")
    record = run.read_record()
    steps = [row["step"] for row in logged(run.log) if row["name"] == "loss"]
    last = max(row["time"] for row in logged(run.log))
    assert time.time() - last < 20 and max(steps) == 4
    assert "died with code" in str(record.reason) and "stacks" in str(record.reason)
    stacks = "".join(file.read_text() for file in run.stacks.iterdir())
    assert "trainer.py" in stacks
    assert not [p for p in psutil.process_iter() if _works_in(p, run)]
    if kind == "sigkill":
        monkeypatch.delenv("FAULT")
        assert train.main(argv) == 0
        assert run.read_record().training.first_step == 4


@pytest.mark.cold
def test_workers_keep_the_memory_that_they_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless the person has told glibc otherwise."""
    monkeypatch.setattr(processes, "WORKER", "tests.environment")
    for own, told in ((None, "mmap_threshold"), ("glibc.malloc.check=0", "malloc.check=0")):
        if own is not None:
            monkeypatch.setenv("GLIBC_TUNABLES", own)
        run = RunFolder(tmp_path / str(own))
        run.path.mkdir()
        with run.lock() as lock, counting() as received:
            assert processes.wait_for(processes.start_workers(run, [], 1, lock), received) == 0
        assert told in (run.path / "environment").read_text()


def _works_in(process: psutil.Process, run: RunFolder) -> bool:
    try:
        line = process.cmdline()
    except psutil.Error:
        return False
    return "tests.faulty_worker" in line and str(run.path.name) in line


@pytest.mark.slow
def test_signals_end_two_processes_well(tiny: str, empty_folder: Path) -> None:
    argv = [*COMMON, tiny, *TWO, "evaluation=none", "run_dir=run", "training.max_train_steps=3000"]
    with subprocess.Popen([sys.executable, "-m", "sdexp.train", *argv]) as door:
        run = RunFolder(empty_folder / "run")
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not list(run.checkpoints.glob("0*")):
            time.sleep(0.02)
        began = time.monotonic()
        os.kill(door.pid, signal.SIGTERM)
        assert door.wait() == 143 and time.monotonic() - began < 10
    record = run.read_record()
    assert record.status == "interrupted" and record.exit_code == 143
    steps = [row["step"] for row in logged(run.log) if row["name"] == "loss"]
    assert (run.checkpoints / f"{max(steps):06d}").is_dir()
    assert json.loads((run.checkpoints / f"{max(steps):06d}" / "manifest.json").read_text())
