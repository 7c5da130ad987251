"""Real runs, and a real service over them."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from safetensors.torch import load_file, save_file

from sdexp import train as door
from sdexp.engine.saved import describe
from sdexp.ground.run import RunFolder
from sdexp.launch import processes
from tests import warm_workers
from tests.conftest import FAST

START_SECONDS = 90
ADAPTERS = "pytorch_lora_weights.safetensors"
# Large enough to be seen, in as few steps as there are.
TRAINED = [*FAST, "optimizer.lr=0.01", "evaluation.batch_size=1"]


@dataclass(frozen=True)
class Served:
    """A service at work; root: its folder of runs; store: where its pictures are kept."""

    address: str
    root: Path
    store: Path
    pid: int

    @property
    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.address, timeout=120)


def train(root: Path, name: str, store: Path, *words: str) -> RunFolder:
    """A run by the door, as people make it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SDEXP_STORE", str(store))
        patch.setattr(processes, "start", warm_workers.start)
        assert door.main([*TRAINED, *words, f"run_dir={root / name}"]) == 0
    return RunFolder(root / name)


def make_runs(root: Path, store: Path) -> None:
    """Adapters and a whole network, and three that may not be served: without a tensor, of another
    model, and of an original that has changed.
    """
    adapters = train(root, "lora", store, "finetune=lora")
    train(root, "unet", store, "finetune=unet", "evaluation=none")
    _spoiled(adapters, root / "empty", {})
    tensors = load_file(adapters.weights / ADAPTERS)
    foreign = {key.replace("attn1", "attn9"): tensor for key, tensor in tensors.items()}
    _spoiled(adapters, root / "foreign", foreign)
    shutil.copytree(adapters.path, root / "changed")
    changed = RunFolder(root / "changed")
    prints = changed.read_record().base_weights
    changed.change_record(base_weights=prints | {"unet": "0" * 64})


def _spoiled(run: RunFolder, folder: Path, tensors: dict[str, object]) -> None:
    """A copy whose record knows nothing of what was done to its weights."""
    shutil.copytree(run.path, folder)
    copy = RunFolder(folder)
    save_file(tensors, copy.weights / ADAPTERS)  # type: ignore[arg-type]
    copy.write_record(replace(copy.read_record(), weights=describe(copy.weights)))


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def service(
    root: Path, store: Path, *words: str, token: str = "", ready: bool = True
) -> Iterator[Served]:
    """`python -m sdexp.app` over a folder of runs, once everything has been looked at."""
    port = free_port()
    command = [sys.executable, "-m", "sdexp.app", f"runs={root}", f"port={port}", *words]
    environment = os.environ | {"SDEXP_STORE": str(store), "HF_HUB_OFFLINE": "1"}
    if token:
        environment["SDEXP_APP_TOKEN"] = token
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
    try:
        served = Served(f"http://127.0.0.1:{port}", root, store, process.pid)
        headers = {"authorization": f"Bearer {token}"} if token else {}
        if ready:
            wait_until_ready(served, headers)
        yield served
    finally:
        process.terminate()
        assert process.wait(30) == 0


def wait_until_ready(served: Served, headers: dict[str, str] | None = None) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            told = httpx.get(f"{served.address}/api/ready", headers=headers).json()
            if told["ready"] and told["proved"] == told["found"]:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"{served.address} is not ready")


def finished(client: httpx.Client, job: dict[str, object]) -> dict[str, object]:
    """A job once it is over, by asking for it again and again."""
    while job["status"] in ("queued", "running"):
        time.sleep(0.05)
        job = client.get(f"/api/jobs/{job['id']}").json()
    return job
