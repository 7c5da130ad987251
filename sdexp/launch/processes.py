"""Starting the processes of a stage and watching them to their end. Imports no torch."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from sdexp.ground.interrupt import Received
from sdexp.ground.run import FOLLOW_DOOR, STACKS_SIGNAL, RunFolder

WORKER = "sdexp.worker"
POLL_SECONDS = 0.05
# For a checkpoint after SIGTERM; with what the caller still does, a command ends within 10 s.
GRACE_SECONDS = 8.0
# For the others to meet the fault themselves and tell it, once one process has failed.
PEERS_SECONDS = 5.0
STACKS_SECONDS = 0.5


@dataclass
class Watch:
    """The children of one command; `failed` is the first exit code that was not 0."""

    children: list[subprocess.Popen[bytes]]
    failed: int | None = None
    kill_at: float | None = None
    forwarded: int = 0
    dumped: bool = False
    living: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.living = list(self.children)

    def poll(self, received: Received) -> None:
        """One look at the children and at the signals that came."""
        for child in [child for child in self.living if child.poll() is not None]:
            self.living.remove(child)
            self.failed = self.failed or child.returncode or None
            # The main process ends last, whether well or not; and a signal has a time of its own.
            if received.first is None and (self.failed or child is self.children[0]):
                self._kill_in(PEERS_SECONDS)
        if received.first is not None and received.count > self.forwarded:
            self._forward(received)
        if self.kill_at is not None and time.monotonic() > self.kill_at:
            self._kill(with_stacks=received.first is None)

    def _kill_in(self, seconds: float) -> None:
        soon = time.monotonic() + seconds
        self.kill_at = soon if self.kill_at is None else min(soon, self.kill_at)

    def _forward(self, received: Received) -> None:
        """The first signal asks the children to end well, a second ends them."""
        assert received.first is not None
        self.forwarded = received.count
        if received.count == 1:
            self._send(received.first)
        self._kill_in(GRACE_SECONDS if received.count == 1 else 0.0)

    def _kill(self, with_stacks: bool) -> None:
        if with_stacks and not self.dumped:
            # A stopped process writes its stack once it goes on.
            self._send(STACKS_SIGNAL)
            self._send(signal.SIGCONT)
            self.dumped = True
            self.kill_at = time.monotonic() + STACKS_SECONDS
            return
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        for child in self.living:
            child.send_signal(number)


def start_workers(
    run: RunFolder, stages: list[str], processes: int, lock: int
) -> list[subprocess.Popen[bytes]]:
    """A child for each process, in a session of its own: a terminal's Ctrl-C reaches only us.

    The children hold the run's lock too, and end when this process does: their standard input is
    a pipe that closes with it.
    """
    command = [sys.executable, "-m", WORKER, str(run.path), *stages]
    return [
        subprocess.Popen(
            command,
            env=os.environ | variables,
            stdin=subprocess.PIPE,
            pass_fds=[lock],
            start_new_session=True,
        )
        for variables in _variables(processes)
    ]


def _variables(processes: int) -> list[dict[str, str]]:
    """What torch.distributed reads, for each process of one machine."""
    if processes == 1:
        return [{FOLLOW_DOOR: "1"}]
    common = {
        FOLLOW_DOOR: "1",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
    }
    if "OMP_NUM_THREADS" not in os.environ:
        common["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // processes))
    return [common | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def watch(children: list[subprocess.Popen[bytes]], received: Received) -> int:
    """Wait for all children; the first failing exit code, or 0.

    One that fails ends the others: after a few seconds in which they may tell their own fault,
    their stacks are saved and they are killed. Signals are handed on.
    """
    watching = Watch(children)
    try:
        while watching.living:
            watching.poll(received)
            time.sleep(POLL_SECONDS)
    finally:
        for child in children:
            if child.poll() is None:
                child.kill()
            child.wait()
            if child.stdin is not None:
                child.stdin.close()
    return watching.failed or 0


def stack_files(run: RunFolder) -> list[Path]:
    """What the processes of a failed stage left of their stacks."""
    files = sorted(run.stacks.glob("*.txt")) if run.stacks.is_dir() else []
    return [file for file in files if file.stat().st_size]
