"""What all doors share: looking first, telling faults, finding runs, ending with the right code."""

import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterable
from types import TracebackType

from sdexp.finetune.base import AbstractFinetune
from sdexp.ground.errors import ConfigError, SdexpError
from sdexp.ground.files import named_path
from sdexp.ground.interrupt import Interrupted, interruptible, listening
from sdexp.ground.plugins import VARIABLE, trusted
from sdexp.ground.run import RunFolder
from sdexp.launch.arguments import Arguments, read_arguments
from sdexp.launch.compose import Composed
from sdexp.launch.files import OWN
from sdexp.launch.machine import check_machine
from sdexp.launch.show import show
from sdexp.recipes import Recipes

INTERNAL = 70
# 128 + SIGPIPE: whoever read our output, such as `head`, has had enough.
NOBODY_READS = 141


def run_door(name: str, work: Callable[[Arguments], int], argv: list[str] | None) -> int:
    """Call a door's work; a fault becomes one line each and the exit code of its kind."""
    if argv is None:
        sys.excepthook = _end_as_internal
    try:
        arguments = read_arguments(sys.argv[1:] if argv is None else argv)
        refuse_ranks()
        if arguments.shows:
            show(name, arguments)
            return 0
        code = _worked(work, arguments)
        sys.stdout.flush()
        return code
    except SdexpError as error:
        for line in str(error).splitlines():
            print(f"error: {line}", file=sys.stderr)
        return error.exit_code
    except Interrupted as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        # Python would try again to write when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NOBODY_READS


def call(work: Callable[[Arguments], int], words: list[str]) -> int:
    """Call a door's work for a program: its faults are raised; the exit code.

    Raises `ConfigError` for words that show something or begin many runs, and in a thread, which
    hears of no signal. What the words trust, such as plugins, is trusted for this call alone.
    """
    if threading.current_thread() is not threading.main_thread():
        raise ConfigError("sdexp.api: only the main thread hears of signals; call it from there")
    refuse_ranks()
    before = dict(os.environ)
    try:
        arguments = read_arguments(words)
        if arguments.shows or arguments.multirun:
            odd = " ".join(arguments.shows) or "-m"
            raise ConfigError(f"{odd}: nothing for a program; leave it out")
        return _worked(work, arguments)
    finally:
        for name in (VARIABLE, OWN):
            os.environ.pop(name, None)
            if name in before:
                os.environ[name] = before[name]


def _worked(work: Callable[[Arguments], int], arguments: Arguments) -> int:
    with listening(), interruptible():
        return work(arguments)


def _end_as_internal(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """A fault of ours: Python's own code for it, 1, is that of a sweep with failed jobs."""
    traceback.print_exception(kind, error, trace)
    sys.stdout.flush()
    os._exit(INTERNAL)


def look_first(recipes: Recipes) -> list[str]:
    """Check files and machine before anything is made; warnings, which are told.

    Raises `ConfigError` or `DataError`.
    """
    recipes.check_files()
    check_machine(recipes.hardware)
    warnings = recipes.warnings()
    tell_warnings(warnings)
    return warnings


def tell_warnings(lines: Iterable[str]) -> None:
    """One line each, apart from what the command prints."""
    for line in lines:
        print(f"warning: {line}", file=sys.stderr)


def tell_followed(composed: Composed) -> None:
    """Options that the person did not choose, and that suit the data."""
    for option in composed.followed:
        print(f"{option}: chosen by the data, dataset={composed.choices['dataset']}", flush=True)


def refuse_ranks() -> None:
    """A door started once per rank would make one run folder per rank."""
    if "LOCAL_RANK" in os.environ:
        raise ConfigError(
            "LOCAL_RANK is set: started under torchrun or accelerate; start the command plainly "
            "and set hardware.num_processes=N"
        )


def existing_run(path: str) -> RunFolder:
    """The run folder that a person named; raises `ConfigError` where it is none."""
    run = RunFolder(named_path("run", path))
    if not run.config.is_file():
        raise ConfigError(
            f"run={path}: no run folder (config.yaml is missing); name one below outputs/"
        )
    return run


def usable_run(path: str) -> RunFolder:
    """A run whose parts may be built; raises `ConfigError` where it is none, `DataError`."""
    run = existing_run(path)
    check_plugins(run, f"run={path}")
    return run


def check_plugins(run: RunFolder, named: str) -> None:
    """Raise `ConfigError` unless the packages of the run's parts are trusted; `DataError`.

    named: `key=value` by which the person named the run.
    """
    missing = [name for name in run.read_record().plugins if name not in trusted()]
    if missing:
        raise ConfigError(
            f"{named}: made with plugins=[{','.join(missing)}]; add that to the command"
        )


def finished_run(run: RunFolder, finetune: AbstractFinetune) -> None:
    """Raise `ConfigError` unless the run's training came to its end and left weights."""
    if not finetune.trains:
        return
    if not run.read_record().is_trained:
        raise ConfigError(f"run={run.path}: has no finished weights; finish its training first")
    if not run.weights.is_dir():
        raise ConfigError(
            f"run={run.path}: its weights are missing; python -m sdexp.train run_dir={run.path} "
            "writes them again from its last checkpoint"
        )
