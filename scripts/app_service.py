"""A service of its own for the scripts that measure it, with an empty store."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

PORT = 7899
HOME = f"http://127.0.0.1:{PORT}"
START_SECONDS = 120


@contextmanager
def service(runs: Path, *words: str) -> Iterator[int]:
    """`python -m sdexp.app` over a folder of runs, from its start to its end; gives its pid."""
    with tempfile.TemporaryDirectory() as store:
        environment = os.environ | {"SDEXP_STORE": store, "HF_HUB_OFFLINE": "1"}
        command = [sys.executable, "-m", "sdexp.app", f"runs={runs}", f"port={PORT}", *words]
        server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
        try:
            yield server.pid
        finally:
            server.terminate()
            server.wait(30)


def wait_until_ready() -> None:
    """Until everything in the folder has been looked at; raises `TimeoutError`."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            told = httpx.get(f"{HOME}/api/ready").json()
            if told["ready"] and told["proved"] == told["found"]:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise TimeoutError("the service did not start")
