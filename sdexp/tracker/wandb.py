"""Weights & Biases: online when a key is there, else offline; never asks, never stops a run."""

from __future__ import annotations

import logging
import os
import re
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdexp.ground.config import require
from sdexp.ground.run import RunFolder, write_text
from sdexp.tracker.base import AbstractTracker, ActiveTracker
from sdexp.tracker.jsonl import read
from sdexp.tracker.none import Silence

if TYPE_CHECKING:
    import wandb
    from PIL.Image import Image

logger = logging.getLogger(__name__)

MODES = ("auto", "online", "offline", "disabled")
# What WANDB_MODE may say; "run" and "dryrun" are its old words.
ENVIRONMENT_MODES = {
    "online": "online",
    "run": "online",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "disabled",
}
INIT_SECONDS = 15
FINISH_SECONDS = 60
SECRET_NAME = re.compile(
    r"passw(or)?d|secret|credential|api_?key|(^|(hf|hub|auth|access|api)_)token$", re.IGNORECASE
)
URL_LOGIN = re.compile(r"://[^/@\s]+@")


@dataclass(frozen=True)
class Wandb(AbstractTracker):
    """A W&B run beside the run folder.

    With mode=auto the environment's WANDB_MODE decides, then whether a key is there.
    """

    project: str
    entity: str | None
    group: str | None
    name: str | None
    tags: list[str]
    mode: str = "auto"

    def __post_init__(self) -> None:
        require("tracker", self.mode in MODES, "mode", self.mode, " | ".join(MODES))
        require("tracker", bool(self.project.strip()), "project", self.project, "a name")

    def start(self, run: RunFolder, config: dict[str, Any], job_type: str) -> ActiveTracker:
        """Open the W&B run of a run folder: a new one, or the one that the folder already has."""
        _keep_to_the_run_folder(run)
        mode, reason = self._choose_mode()
        if mode == "disabled":
            return Silence()
        faults = _faults()
        if mode == "online":
            try:
                return self._open(run, config, job_type, mode)
            except faults as error:
                reason = _first_line(error)
                _let_go(faults)
        try:
            active = self._open(run, config, job_type, "offline")
        except faults as error:
            fault = f"{reason}: {_first_line(error)}"
            logger.warning("W&B is off (%s); all numbers are in %s", fault, run.log)
            _let_go(faults)
            return Silence()
        logger.warning("W&B is offline (%s); send it with `wandb sync %s`", reason, active.folder)
        return active

    def _choose_mode(self) -> tuple[str, str]:
        """online, offline or disabled, and why."""
        mode, reason = self.mode, f"mode={self.mode}"
        if mode == "auto" and "WANDB_MODE" in os.environ:
            word = os.environ["WANDB_MODE"]
            mode = ENVIRONMENT_MODES[word] if word in ENVIRONMENT_MODES else "offline"
            reason = f"WANDB_MODE={word}"
        if mode in ("auto", "online"):
            missing = _why_no_login()
            mode, reason = ("offline", missing) if missing else ("online", reason)
        return mode, reason

    def _open(
        self, run: RunFolder, config: dict[str, Any], job_type: str, mode: str
    ) -> ActiveWandb:
        import wandb

        wandb.setup(settings=_quiet())
        opened = wandb.init(
            project=self.project,
            entity=self.entity,
            group=self.group,
            name=self.name,
            tags=self.tags,
            mode=mode,  # type: ignore[arg-type]
            id=_run_id(run),
            resume="allow",
            # Otherwise a job whose predecessor crashed would write into the predecessor's run.
            reinit="finish_previous",
            job_type=job_type,
            dir=run.path,
            config=without_secrets(config),
            settings=_quiet(),
        )
        return ActiveWandb(opened, first_step=max(opened.step, _last_step(run.log)))


class ActiveWandb(ActiveTracker):
    """An open W&B run, which goes quiet at its first failure.

    W&B drops a row whose step is below that of the row before. So rows carry the highest step
    seen, and their true step stands beside it as the x-axis: `train/global_step` for `train/*`.
    """

    def __init__(self, run: wandb.Run, first_step: int) -> None:
        self._run = run
        self._row_step = first_step
        self._axes: set[str] = set()
        self._faults = _faults()
        self._broken = False
        self.folder = run.settings.sync_dir

    def log(self, values: dict[str, float], step: int) -> None:
        """Scalars by name at an optimizer step."""
        self._send(dict(values), step)

    def log_images(self, name: str, images: list[tuple[str, Image]], step: int) -> None:
        """Captioned pictures."""
        if self._broken:
            return
        with self._guarded():
            self._send({name: [_picture(image, caption) for caption, image in images]}, step)

    def log_table(self, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        """A table; pictures in its cells stay pictures."""
        if self._broken:
            return
        import wandb

        with self._guarded():
            cells = [[_cell(value) for value in row] for row in rows]
            table = wandb.Table(columns=[*columns], data=cells)
            self._run.log({name: table}, step=self._row_step)

    def close(self) -> None:
        """Flush and let go, as a failed run while an exception is on its way out."""
        with self._guarded():
            self._run.finish(exit_code=int(sys.exc_info()[0] is not None))
        if self._broken:
            _let_go(self._faults)

    def _send(self, row: dict[str, Any], step: int) -> None:
        if self._broken:
            return
        with self._guarded():
            prefixes = {name.partition("/")[0] for name in row}
            for prefix in sorted(prefixes - self._axes):
                self._run.define_metric(_axis(prefix), hidden=True)
                self._run.define_metric(f"{prefix}/*", step_metric=_axis(prefix))
            self._axes |= prefixes
            self._row_step = max(self._row_step, step)
            axes = {_axis(prefix): step for prefix in prefixes}
            self._run.log(row | axes, step=self._row_step)

    @contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except self._faults as error:
            if not self._broken:
                remedy = f"the run goes on; `wandb sync {self.folder}` sends the rest"
                logger.warning("W&B stopped (%s); %s", _first_line(error), remedy)
            self._broken = True


def without_secrets(value: Any) -> Any:
    """The same nested value without keys that look like secrets, and without their values."""
    hidden = {
        text for name, text in os.environ.items() if SECRET_NAME.search(name) and len(text) >= 8
    }
    if isinstance(value, dict):
        return {k: without_secrets(v) for k, v in value.items() if not SECRET_NAME.search(str(k))}
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    if isinstance(value, str):
        return "***" if value in hidden else URL_LOGIN.sub("://", value)
    return value


def _keep_to_the_run_folder(run: RunFolder) -> None:
    # A table's pictures lie only here until they are sent; the default is a folder in the user's
    # home, where an offline run would leave them behind when its folder is moved.
    os.environ.setdefault("WANDB_DATA_DIR", str((run.wandb / "data").resolve()))
    # wandb would report its own errors to its makers, even from an offline run.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")


def _why_no_login() -> str:
    """Empty when a key is there; never asks, and does not use the network."""
    import wandb

    try:
        wandb.setup(settings=_quiet())
        return "" if wandb.login(prompt=False, verify=False) else "no key; `wandb login` sets one"
    except _faults() as error:
        return _first_line(error)


def _quiet() -> wandb.Settings:
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
        finish_timeout=FINISH_SECONDS,
        finish_timeout_raises=True,
    )


def _faults() -> tuple[type[Exception], ...]:
    """What wandb raises when it, its settings, its service process or its server fail.

    TypeError is a table's way to refuse a column of numbers and texts.
    """
    from wandb.errors import Error
    from wandb.sdk.lib.service.service_token import WandbServiceConnectionError
    from wandb.sdk.mailbox import HandleAbandonedError, MailboxClosedError
    from wandb.sdk.mailbox.mailbox_handle import ServerResponseError

    service = (WandbServiceConnectionError, MailboxClosedError, HandleAbandonedError)
    return (Error, OSError, TypeError, ValueError, ServerResponseError, *service)


def _let_go(faults: tuple[type[Exception], ...]) -> None:
    """End wandb's service process, so that the next one may use the run's id again.

    Without this a dead service also prints a traceback when the command ends.
    """
    import wandb

    with suppress(*faults):
        wandb.teardown()


def _run_id(run: RunFolder) -> str:
    file = run.wandb / "run_id"
    if not file.exists():
        write_text(file, secrets.token_hex(4))
    return file.read_text().strip()


def _last_step(log: Path) -> int:
    records = read(log)
    return int(records[-1]["step"]) if records else 0


def _axis(prefix: str) -> str:
    return f"{prefix}/global_step"


def _cell(value: Any) -> Any:
    from PIL.Image import Image

    return _picture(value, None) if isinstance(value, Image) else value


def _picture(image: Image, caption: str | None) -> wandb.Image:
    import wandb

    return wandb.Image(image, caption=caption)


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
