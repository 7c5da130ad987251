"""wandb's own process: its settings, what it raises, and how to end it when it hangs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from sdexp.ground.run import RunFolder
from sdexp.tracker.base import TrackerFault

if TYPE_CHECKING:
    import wandb

# wandb itself takes some ten seconds more before it says so.
INIT_SECONDS = 15


@contextmanager
def told(before: str, after: str) -> Iterator[None]:
    """A fault of wandb as a `TrackerFault`."""
    try:
        yield
    except faults() as error:
        raise TrackerFault(f"{before}{first_line(error)}{after}") from error
    except SystemExit as error:
        # How wandb passes on that its service process ended badly.
        raise TrackerFault(f"{before}wandb-core ended with code {error.code}{after}") from error


def keep_to_the_run_folder(run: RunFolder) -> list[str]:
    """Set what the environment does not say about wandb's other folders; returns what was set."""
    wanted = {
        # A table's pictures lie only here until they are sent; the default is a folder in the
        # user's home, where an offline run would leave them behind when its folder is moved.
        "WANDB_DATA_DIR": str((run.wandb / "data").resolve()),
        "WANDB_CACHE_DIR": str((run.wandb / "cache").resolve()),
        # wandb would report its own errors to its makers, even from an offline run.
        "WANDB_ERROR_REPORTING": "false",
    }
    added = [name for name in wanted if name not in os.environ]
    for name in added:
        os.environ[name] = wanted[name]
    return added


def why_no_login() -> str:
    """Empty when a key is there; never asks, and does not use the network."""
    import wandb

    try:
        wandb.setup(settings=quiet())
        return "" if wandb.login(prompt=False, verify=False) else "no key; `wandb login` sets one"
    except faults() as error:
        return first_line(error)


def quiet() -> wandb.Settings:
    """Settings that say nothing, ask nothing and leave the machine's description out."""
    import wandb

    return wandb.Settings(
        silent=True,
        console="off",
        save_code=False,
        disable_code=True,
        disable_git=True,
        # Host name, user, command line: run.json has what is needed.
        x_disable_meta=True,
        x_disable_machine_info=True,
        host="",
        init_timeout=INIT_SECONDS,
    )


def faults() -> tuple[type[Exception], ...]:
    """What wandb raises when it, its settings, its service process or its server fail.

    TypeError is a table's way to refuse a column of numbers and texts.
    """
    from wandb.errors import Error
    from wandb.sdk.lib.service.service_token import WandbServiceConnectionError
    from wandb.sdk.mailbox import HandleAbandonedError, MailboxClosedError
    from wandb.sdk.mailbox.mailbox_handle import ServerResponseError

    service = (WandbServiceConnectionError, MailboxClosedError, HandleAbandonedError)
    return (Error, OSError, TypeError, ValueError, ServerResponseError, *service)


def kill_service() -> None:
    """End wandb's service process and forget it, so that the next one may use the run's id again.

    wandb's own teardown would wait for a server, and talk to a service that may hang or be dead.
    """
    # Looked up, as an import could wait for another thread's.
    if sys.modules.get("wandb") is None or "wandb.sdk.wandb_setup" not in sys.modules:
        return
    setup = sys.modules["wandb.sdk.wandb_setup"]
    library = setup._singleton
    setup._singleton = None  # type: ignore[attr-defined]
    connection = library._connection if library is not None else None
    if connection is None or connection._proc is None:
        return
    service_token = sys.modules["wandb.sdk.lib.service.service_token"]
    service_token.clear_service_in_env()
    if connection._cleanup is not None:
        connection._cleanup()
    process = connection._proc._process
    process.kill()
    with suppress(subprocess.TimeoutExpired):
        process.wait(1)
    token = connection._proc.token
    if isinstance(token, service_token.UnixServiceToken):
        # It lies in the system's temporary folder, and its owner cannot remove it any more.
        with suppress(OSError):
            os.unlink(token._path)
            os.rmdir(os.path.dirname(token._path))


def first_line(error: Exception) -> str:
    """What an error says, without its details."""
    return (str(error) or type(error).__name__).splitlines()[0]
