"""Weights & Biases: online when a key is there, else offline; never asks, never stops a run."""

from __future__ import annotations

import os
import secrets
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdexp.ground.config import require
from sdexp.ground.errors import DiskError
from sdexp.ground.files import write_text
from sdexp.ground.log import read_log
from sdexp.ground.run import RunFolder
from sdexp.tracker.base import AbstractTracker, ActiveTracker, TrackerFault
from sdexp.tracker.none import Silence
from sdexp.tracker.redact import without_secrets
from sdexp.tracker.wandb_service import (
    faults,
    first_line,
    keep_to_the_run_folder,
    kill_service,
    quiet,
    told,
    why_no_login,
)

if TYPE_CHECKING:
    import wandb
    from PIL.Image import Image

MODES = ("auto", "online", "offline", "disabled")
# What WANDB_MODE may say; "run" and "dryrun" are its old words.
ENVIRONMENT_MODES = {
    "online": "online",
    "run": "online",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "disabled",
}


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
        require("tracker.wandb", self.mode in MODES, "mode", self.mode, " | ".join(MODES))
        require("tracker.wandb", bool(self.project.strip()), "project", self.project, "a name")

    def start(
        self, run: RunFolder, config: dict[str, Any], job_type: str, is_cut_off: bool
    ) -> ActiveTracker:
        """The W&B run of a run folder: a new one, or the one that the folder already has."""
        mode, reason = self._wanted_mode()
        if mode == "disabled":
            return Silence()
        if is_cut_off:
            mode = "offline"
        return ActiveWandb(self, run, without_secrets(config), job_type, mode, reason)

    def _wanted_mode(self) -> tuple[str, str]:
        """auto, online, offline or disabled, and who says so."""
        mode = self.mode
        if mode == "auto" and "WANDB_MODE" in os.environ:
            word = os.environ["WANDB_MODE"]
            mode = ENVIRONMENT_MODES[word] if word in ENVIRONMENT_MODES else "offline"
            return mode, f"WANDB_MODE={word}"
        return mode, f"mode={mode}"


class ActiveWandb(ActiveTracker):
    """A W&B run.

    W&B drops a row whose step is below that of the row before. So rows carry the highest step
    seen, and their true step stands beside it as the x-axis: `train/global_step` for `train/*`.
    """

    def __init__(
        self,
        recipe: Wandb,
        run: RunFolder,
        config: dict[str, Any],
        job_type: str,
        mode: str,
        reason: str,
    ) -> None:
        self._recipe = recipe
        self._folder = run
        self._config = config
        self._job_type = job_type
        self._mode = mode
        self._reason = reason
        self._axes: set[str] = set()
        self._is_reaching = False
        self._is_hurried = False
        self._is_abandoned = False
        # Read before this run adds to it: its own steps are still to come.
        self._row_step = read_log(run.log).last_step
        self._added: list[str] = []
        self._run: wandb.Run

    def prepare(self) -> None:
        """Check that the folder can be written, import wandb and start its service process."""
        # wandb would go to the system's temporary folder instead, and say nothing.
        try:
            self._id = _run_id(self._folder)
        except (DiskError, OSError) as error:
            raise TrackerFault(str(error)) from error
        self._added = keep_to_the_run_folder(self._folder)
        try:
            # wandb itself imports the first and the last only when a run is opened, which is too
            # late for a fork.
            import requests  # noqa: F401
            import wandb
            from wandb.sdk import wandb_run  # noqa: F401
        except (ImportError, AttributeError, TypeError) as error:
            raise TrackerFault(f"wandb cannot be imported ({first_line(error)})") from error
        with told(f"off ({self._reason}: ", ")"):
            wandb.setup(settings=quiet())

    def connect(self) -> str:
        """Open the run online, or else offline."""
        wish = self._mode
        notice = ""
        if wish in ("auto", "online"):
            notice = why_no_login() or self._try_online()
            if not notice:
                return ""
        with told(f"off ({notice or self._reason}: ", ")"):
            self._open("offline")
        remedy = f"send it with `wandb sync {self._run.settings.sync_dir}`"
        return f"offline ({notice}); {remedy}" if notice else ""

    def log(self, values: dict[str, float], step: int) -> None:
        """Scalars by name at an optimizer step."""
        with self._guarded():
            self._send(dict(values), step)

    def log_images(self, name: str, images: list[tuple[str, Image]], step: int) -> None:
        """Captioned pictures."""
        with self._guarded():
            self._send({name: [_picture(image, caption) for caption, image in images]}, step)

    def log_table(self, name: str, columns: list[str], rows: list[list[Any]]) -> None:
        """A table; pictures in its cells stay pictures."""
        import wandb

        with self._guarded():
            cells = [[_cell(value) for value in row] for row in rows]
            table = wandb.Table(columns=[*columns], data=cells)
            self._run.log({name: table}, step=self._row_step)

    def close(self, failed: bool) -> None:
        """Flush, and end the service process, which would otherwise stay until Python ends."""
        import wandb

        with self._guarded():
            self._run.finish(exit_code=int(failed))
            wandb.teardown()
        self._give_back_environment()

    def hurry(self) -> None:
        """End the service process, so that the run is opened offline."""
        if self._is_reaching:
            self._is_hurried = True
            kill_service()

    def abandon(self) -> None:
        """Kill the service process; wandb's own hook would wait for it when Python ends."""
        self._is_abandoned = True
        kill_service()
        self._give_back_environment()

    def _give_back_environment(self) -> None:
        for name in self._added:
            os.environ.pop(name, None)

    def _try_online(self) -> str:
        """Empty when it worked, else why it did not."""
        self._is_reaching = True
        try:
            self._open("online")
        except faults() as error:
            kill_service()
            return "the server gave no answer" if self._is_hurried else first_line(error)
        finally:
            self._is_reaching = False
        return ""

    def _open(self, mode: str) -> None:
        import wandb

        if self._is_abandoned:
            raise TrackerFault("abandoned")
        recipe = self._recipe
        wandb.setup(settings=quiet())
        self._run = wandb.init(
            project=recipe.project,
            entity=recipe.entity,
            group=recipe.group,
            name=recipe.name,
            tags=recipe.tags,
            mode=mode,  # type: ignore[arg-type]
            id=self._id,
            resume="allow",
            # Otherwise a job whose predecessor crashed would write into the predecessor's run.
            reinit="finish_previous",
            job_type=self._job_type,
            dir=self._folder.path,
            config=self._config,
            settings=quiet(),
        )
        self._row_step = max(self._run.step, self._row_step)

    def _send(self, row: dict[str, Any], step: int) -> None:
        prefixes = {name.partition("/")[0] for name in row}
        for prefix in sorted(prefixes - self._axes):
            self._run.define_metric(_axis(prefix), hidden=True)
            self._run.define_metric(f"{prefix}/*", step_metric=_axis(prefix))
        self._axes |= prefixes
        self._row_step = max(self._row_step, step)
        axes = {_axis(prefix): step for prefix in prefixes}
        self._run.log(row | axes, step=self._row_step)

    def _guarded(self) -> AbstractContextManager[None]:
        folder = self._run.settings.sync_dir
        return told("stopped (", f"; `wandb sync {folder}` sends what it has)")


def _run_id(run: RunFolder) -> str:
    """Kept in the folder; written each time, which shows whether the folder can be written."""
    file = run.wandb / "run_id"
    name = file.read_text().strip() if file.exists() else secrets.token_hex(4)
    write_text(file, name)
    return name


def _axis(prefix: str) -> str:
    return f"{prefix}/global_step"


def _cell(value: Any) -> Any:
    from PIL.Image import Image

    return _picture(value, None) if isinstance(value, Image) else value


def _picture(image: Image, caption: str | None) -> wandb.Image:
    import wandb

    return wandb.Image(image, caption=caption)
