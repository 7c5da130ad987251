"""The processes that ship a run to its trackers: started beside it, never waited for long."""

import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from sdexp.ground.run import RunFolder
from sdexp.launch.processes import POLL_SECONDS, Fresh, start
from sdexp.tracker.base import warn

FOLLOW = "sdexp.tracker.follow"
# How long the end of a command waits for its trackers. A server that is well answers sooner; a run
# has to end within 5 seconds of its last step.
END_SECONDS = 3.5
# The same after a signal, which a command has 10 seconds to obey.
SIGNAL_SECONDS = 1.5

Followers = dict[str, Fresh]


@contextmanager
def following(run: RunFolder, trackers: Iterable[str]) -> Iterator[Followers]:
    """A process for each tracker, so that none holds up another; none outlives the context."""
    # Where a killed library leaves its sockets and copies.
    with tempfile.TemporaryDirectory(prefix="sdexp-", ignore_cleanup_errors=True) as temporary:
        variables = {"TMPDIR": temporary}
        followers = {name: start(FOLLOW, [str(run.path), name], variables) for name in trackers}
        try:
            yield followers
        finally:
            _kill(list(followers.values()))


def end(run: RunFolder, followers: Followers, exit_code: int, seconds: float = END_SECONDS) -> None:
    """Tell followers how the command ended, and wait; warn of those that need too long."""
    seconds = SIGNAL_SECONDS if exit_code > 128 else seconds
    for child in followers.values():
        assert child.stdin is not None
        with suppress(BrokenPipeError):
            os.write(child.stdin.fileno(), f"{exit_code} {seconds}".encode())
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(c.poll() is None for c in followers.values()):
        time.sleep(POLL_SECONDS)
    for name, child in followers.items():
        if child.poll() is None:
            warn(name, f"gave no answer for {seconds:g} s", run)
        elif child.returncode < 0:
            warn(name, "was killed", run)


def _kill(followers: list[Fresh]) -> None:
    """End those that live, and what they have started in sessions of its own."""
    import psutil

    living = [child for child in followers if child.poll() is None]
    started = [p for child in living for p in psutil.Process(child.pid).children(recursive=True)]
    for process in [*living, *started]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    for child in followers:
        child.wait()
        if child.stdin is not None:
            child.stdin.close()
