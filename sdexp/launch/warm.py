"""Processes that begin with everything loaded: forks of one that has only imported.

A module starts as `python -m` would start it, with memory of its own; only its imports are there
already. The server that the first of them are forked from never ran a tensor operation, whose
threads would not survive it, and never asked for a GPU, which a fork could not use.
"""

import multiprocessing
import os
import runpy
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType

from sdexp.ground.interrupt import SIGNALS
from sdexp.ground.lifeline import FOLLOW_PARENT

# What a job and its worker load, and what these load only when they are at work.
PRELOADED = [
    "torch",
    "diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion",
    "diffusers.optimization",
    "transformers.models.clip.modeling_clip",
    "peft",
    "accelerate",
    "matplotlib.figure",
    "sdexp.engine.plan.begin",
    "sdexp.engine.evaluate.evaluation",
    "sdexp.engine.saved",
    "sdexp.pages.run.page",
    "sdexp.launch.followers",
]


# An exit code of multiprocessing's own.
ORPHANED = 255


class Forked:
    """A forked child, with the part of `subprocess.Popen` that watching needs."""

    stdin = None

    def __init__(self, process: BaseProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, below 0 for the signal that it died of; None while it lives."""
        return self.poll()

    def poll(self) -> int | None:
        code = self._process.exitcode
        # What multiprocessing answers when the server is gone, of a child that lives on.
        return None if code == ORPHANED and _lives(self.pid) else code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> int | None:
        self._process.join()
        return self._process.exitcode


def start_server(variables: dict[str, str]) -> None:
    """Load everything in a process with these environment variables, unless there is one."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    # Whoever ends the whole group of the command leaves its jobs the time to end well.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        with _environment(variables):
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start_from_server(
    module: str, arguments: list[str], variables: dict[str, str], output: Path
) -> Forked:
    """`python -m module` in a session of its own; what it prints is added to `output`."""
    context = multiprocessing.get_context("forkserver")
    own = dict(os.environ) | variables
    process = context.Process(target=_become, args=(module, arguments, own, output))
    with _unknown_main():
        process.start()
    return Forked(process)


def start_forked(module: str, arguments: list[str], variables: dict[str, str]) -> Forked:
    """The same from this process, which was started so itself; it prints where this one does."""
    context = multiprocessing.get_context("fork")
    own = dict(os.environ) | variables
    process = context.Process(target=_become, args=(module, arguments, own, None))
    process.start()
    return Forked(process)


def is_warm() -> bool:
    """Whether this process has everything loaded, so that its own children may be forks of it."""
    return _Warm.is_warm


class _Warm:
    is_warm = False


def _become(
    module: str, arguments: list[str], variables: dict[str, str], output: Path | None
) -> None:
    """Be what `python -m module` would be; variables: the whole environment."""
    os.setsid()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    _Warm.is_warm = True
    os.environ.clear()
    os.environ.update(variables)
    os.environ.pop(FOLLOW_PARENT, None)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if output is not None:
        handle = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(handle, 1)
        os.dup2(handle, 2)
        os.close(handle)
    sys.argv = [module, *arguments]
    with _Interpreter():
        runpy.run_module(module, run_name="__main__", alter_sys=True)


class _Interpreter:
    """Ends as one does: multiprocessing would not let the module's own hook hear of a fault."""

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None or error is None or issubclass(kind, SystemExit):
            return
        sys.excepthook(kind, error, trace)
        sys.stdout.flush()
        os._exit(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(130)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def _unknown_main() -> Iterator[None]:
    """Hide where the main module came from: multiprocessing would run it again in the child."""
    main = sys.modules["__main__"]
    names = [name for name in ("__spec__", "__file__") if hasattr(main, name)]
    before = {name: getattr(main, name) for name in names}
    for name in names:
        setattr(main, name, None)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(main, name, value)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
