"""Starting child processes and watching them to their end. Imports no torch."""

import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeAlias

from sdexp.ground.interrupt import Received
from sdexp.ground.lifeline import FOLLOW_PARENT, STACKS_SIGNAL
from sdexp.ground.run import RunFolder
from sdexp.launch.warm import Forked, is_warm, start_forked

WORKER = "sdexp.worker"
POLL_SECONDS = 0.05
# For a checkpoint after SIGTERM; with what the caller still does, a command ends within 10 s.
GRACE_SECONDS = 8.0
# For the others to meet the fault themselves and tell it, once one process has failed.
PEERS_SECONDS = 5.0
STACKS_SECONDS = 0.5

# glibc gives large blocks back to the system after each use, which fills them with zeros when they
# are wanted again: a third of a training step. What a worker has freed it soon takes again.
ALLOCATION = {
    "GLIBC_TUNABLES": (
        "glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=8589934592"
        ":glibc.malloc.trim_threshold=17179869184"
    )
}

Fresh: TypeAlias = subprocess.Popen[bytes]
Child: TypeAlias = Fresh | Forked


def start(
    module: str,
    arguments: list[str],
    variables: dict[str, str],
    *,
    lock: int | None = None,
    output: BinaryIO | None = None,
) -> Fresh:
    """`python -m module` in a session of its own: a terminal's Ctrl-C reaches only us.

    It ends when this process does: its standard input is a pipe that closes with it. `lock` is a
    handle that it holds too; `output` takes what it prints.
    """
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        env=os.environ | variables | {FOLLOW_PARENT: "1"},
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        pass_fds=[] if lock is None else [lock],
        start_new_session=True,
    )


@dataclass
class Watch:
    """Children that belong together, from their start to their end.

    grace: seconds that they have to end well after a signal; timeout: seconds that they have
    altogether; has_stacks: whether they write their stacks on `STACKS_SIGNAL`. failed: the first
    exit code that was not 0.
    """

    children: list[Child]
    grace: float = GRACE_SECONDS
    timeout: float | None = None
    has_stacks: bool = True
    failed: int | None = None
    timed_out: bool = False
    began: float = field(default_factory=time.monotonic)
    living: list[Child] = field(default_factory=list)
    _kill_at: float | None = None
    _forwarded: int = 0
    _dumped: bool = False

    def __post_init__(self) -> None:
        self.living = list(self.children)

    @property
    def seconds(self) -> float:
        """How long they have been at work."""
        return time.monotonic() - self.began

    def poll(self, received: Received) -> None:
        """One look at the children and at the signals that came."""
        self._collect(received)
        if received.first is not None and received.count > self._forwarded:
            self._forward(received.first, received.count)
        if self.timeout is not None and self.seconds > self.timeout and self._kill_at is None:
            self.timed_out = True
            self._send(signal.SIGTERM)
            self._kill_in(self.grace)
        if self._kill_at is not None and time.monotonic() > self._kill_at:
            self._kill(with_stacks=self.has_stacks and received.first is None)

    def _collect(self, received: Received) -> None:
        for child in [child for child in self.living if child.poll() is not None]:
            self.living.remove(child)
            self.failed = self.failed or child.returncode or None
            # The main process ends last, whether well or not; and a signal has a time of its own.
            if received.first is None and (self.failed or child is self.children[0]):
                self._kill_in(PEERS_SECONDS)

    def _kill_in(self, seconds: float) -> None:
        soon = time.monotonic() + seconds
        self._kill_at = soon if self._kill_at is None else min(soon, self._kill_at)

    def _forward(self, number: int, count: int) -> None:
        """The first signal asks the children to end well, a second ends them."""
        self._forwarded = count
        if count == 1:
            self._send(number)
        self._kill_in(self.grace if count == 1 else 0.0)

    def _kill(self, with_stacks: bool) -> None:
        if with_stacks and not self._dumped:
            # A stopped process writes its stack once it goes on.
            self._send(STACKS_SIGNAL)
            self._send(signal.SIGCONT)
            self._dumped = True
            self._kill_at = time.monotonic() + STACKS_SECONDS
            return
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        for child in self.living:
            child.send_signal(number)

    def close(self) -> None:
        """End what is left, and let go."""
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.wait()
            if child.stdin is not None:
                child.stdin.close()


def wait_for(watch: Watch, received: Received) -> int:
    """Wait for all children; the first failing exit code, or 0.

    One that fails ends the others: after a few seconds in which they may tell their own fault,
    their stacks are saved and they are killed. Signals are handed on.
    """
    try:
        while watch.living:
            watch.poll(received)
            time.sleep(POLL_SECONDS)
    finally:
        watch.close()
    return watch.failed or 0


def start_workers(run: RunFolder, stages: list[str], processes: int, lock: int) -> Watch:
    """A child for each process of a run's stages; they hold the run's lock too."""
    arguments = [str(run.path), *stages]
    ranks = rank_variables(processes)
    if is_warm() and processes == 1:
        # A fork has the lock already.
        return Watch([start_forked(WORKER, arguments, own) for own in ranks])
    return Watch([start(WORKER, arguments, allocation() | own, lock=lock) for own in ranks])


def allocation() -> dict[str, str]:
    """How memory is handed out, unless the person has chosen."""
    return {name: value for name, value in ALLOCATION.items() if name not in os.environ}


def rank_variables(processes: int) -> list[dict[str, str]]:
    """What torch.distributed reads, for each process of one machine."""
    if processes == 1:
        return [{}]
    common = {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(free_port()),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
    }
    if "OMP_NUM_THREADS" not in os.environ:
        common["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // processes))
    return [common | {"RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(processes)]


def free_port() -> int:
    """A port of this machine that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def stack_files(run: RunFolder) -> list[Path]:
    """What the processes of a failed stage left of their stacks."""
    files = sorted(run.stacks.glob("*.txt")) if run.stacks.is_dir() else []
    return [file for file in files if file.stat().st_size]
