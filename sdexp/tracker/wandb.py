"""Weights & Biases: online when a key is there, else offline; never asks.

An offline segment that its process could not end lacks its last rows, and marks the run as failed.
So it does not count: the next command removes it and ships what it held again.
"""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdexp.ground.checks import require
from sdexp.ground.errors import ConfigError
from sdexp.ground.files import write_text
from sdexp.ground.log import SPLITS
from sdexp.tracker.base import AbstractTracker, ActiveTracker, Followed, first_line
from sdexp.tracker.redact import without_secrets

if TYPE_CHECKING:
    import wandb
    from PIL.Image import Image

    from sdexp.ground.records import Shipped

MODES = ("auto", "online", "offline", "disabled")
# What WANDB_MODE may say; "run" and "dryrun" are its old words.
ENVIRONMENT_MODES = {"run": "online", "dryrun": "offline"} | {mode: mode for mode in MODES[1:]}
# For W&B to open a run; it takes some ten seconds more before it says so.
INIT_SECONDS = 15
# What opening, filling and closing an offline run may take at the end of a command.
OFFLINE_SECONDS = 2.0


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

    def start(self, followed: Followed) -> ActiveTracker | None:
        mode = self.wanted_mode()
        return None if mode == "disabled" else ActiveWandb(self, mode, followed)

    def wanted_mode(self) -> str:
        """One of `MODES`; raises `ConfigError` for a WANDB_MODE that is none."""
        if self.mode != "auto" or "WANDB_MODE" not in os.environ:
            return self.mode
        word = os.environ["WANDB_MODE"]
        if word not in ENVIRONMENT_MODES:
            raise ConfigError(f"WANDB_MODE={word}: allowed is {' | '.join(ENVIRONMENT_MODES)}")
        return ENVIRONMENT_MODES[word]


class ActiveWandb(ActiveTracker):
    """A W&B run.

    W&B drops a row whose step is below that of the row before, and puts together what comes at one
    step. So a row that is late carries the highest step seen, or the next one, and every row its
    true step beside it as the x-axis: `train/global_step` for `train/*`.
    """

    def __init__(self, recipe: Wandb, mode: str, followed: Followed) -> None:
        # It takes a moment, which a run has at its beginning and not at its end.
        import wandb  # noqa: F401

        self.folder = followed.run.wandb
        self._recipe = recipe
        self._mode = mode
        self._followed = followed
        self._axes: set[str] = set()
        self._row_step = 0
        self._in_row: dict[str, Any] = {}
        self._run: wandb.Run

    def open(self, shipped: Shipped) -> tuple[Shipped, str]:
        # wandb would go to the system's temporary folder where it cannot write, and say nothing.
        self._id = _run_id(self.folder)
        _keep_to_the_run_folder(self.folder)
        self._remove(shipped.unfinished)
        notice = ""
        if self._mode != "offline":
            notice = self._why_no_login() or self._try_online()
            if not notice:
                return self._held_by_server(shipped), self._unsent()
        self._init("offline")
        held = replace(shipped, unfinished=Path(self._run.settings.sync_dir).name)
        return held, f"offline ({notice}); send it with `{self._sync()}`" if notice else ""

    def _unsent(self) -> str:
        """What a person must know of earlier commands that had no server."""
        segments = self.folder.glob("offline-run-*")
        waiting = [one for one in segments if not list(one.glob("*.synced"))]
        return f"parts of it wait here; send them with `{self._sync()}`" if waiting else ""

    def rewind(self, step: int) -> bool:
        # W&B keeps what it has; a resumed run repeats its numbers exactly.
        return False

    def log(self, values: dict[str, float], step: int) -> None:
        self._send(dict(values), step)

    def log_images(self, name: str, images: list[tuple[str, Image]], step: int) -> None:
        import wandb

        self._send({name: [wandb.Image(image, caption=text) for text, image in images]}, step)

    def log_table(self, name: str, columns: list[str], rows: list[list[Any]], step: int) -> None:
        import wandb
        from PIL.Image import Image

        cells = [[wandb.Image(c) if isinstance(c, Image) else c for c in row] for row in rows]
        self._put({name: wandb.Table(columns=[*columns], data=cells)}, step)

    def log_words(self, words: dict[str, str], step: int) -> None:
        self._run.summary.update(words)

    def log_page(self, name: str, page: Path, step: int) -> None:
        import wandb

        self._put({name: wandb.Html(page.read_text(), inject=False)}, step)

    def flush(self) -> bool:
        # wandb's process writes to the disk and to the server when it likes.
        return False

    def close(self, failed: bool) -> None:
        self._run.finish(exit_code=int(failed))

    def _remove(self, segment: str) -> None:
        folder = self.folder / segment
        if segment and not list(folder.glob("*.synced")):
            shutil.rmtree(folder, ignore_errors=True)

    def _why_no_login(self) -> str:
        """Empty when the server lets us in; waits no longer for it than the command does for us."""
        import wandb

        wandb.setup(settings=_quiet())
        answers = []

        def ask() -> None:
            try:
                has_key = wandb.login(prompt=False, verify=True)
                answers.append("" if has_key else "no key; `wandb login` sets one")
            except (wandb.errors.Error, OSError, ValueError) as error:
                answers.append(first_line(error))

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        while thread.is_alive() and self._followed.ending.seconds_left > OFFLINE_SECONDS:
            thread.join(0.05)
        return answers[0] if answers else "the server gave no answer"

    def _try_online(self) -> str:
        """Empty when it worked, else why it did not."""
        import wandb

        try:
            self._init("online")
        except wandb.errors.Error as error:
            # wandb's process would keep the run's id for itself.
            wandb.teardown()
            return first_line(error)
        return ""

    def _init(self, mode: str) -> None:
        import wandb

        wandb.setup(settings=_quiet())
        recipe = self._recipe
        place = self._followed.run.path
        self._run = wandb.init(
            project=recipe.project,
            entity=recipe.entity,
            group=recipe.group,
            name=recipe.name or place.resolve().name,
            tags=recipe.tags,
            mode=mode,  # type: ignore[arg-type]
            id=self._id,
            # Also says that an offline segment is to be added to those that the server has.
            resume="allow",
            job_type=self._followed.job_type,
            dir=place,
            config=without_secrets(self._followed.config),
            settings=_quiet(),
        )
        self._row_step = self._run.starting_step

    def _held_by_server(self, shipped: Shipped) -> Shipped:
        """With the steps that a killed process has sent and did not note."""
        summary = dict(self._run.summary)
        steps = {split: shipped.last_step(split) for split in SPLITS}
        for split in SPLITS:
            if _axis(split) in summary:
                steps[split] = max(steps[split], summary[_axis(split)])
        pictures = max(shipped.pictures, steps["validation"])
        return replace(shipped, steps=steps, pictures=pictures, unfinished="")

    def _sync(self) -> str:
        """The command that sends every segment; those of a sweep with those of its jobs."""
        folder = shlex.quote(str(self._followed.run.path))
        places = [folder, f"{folder}/*"] if self._followed.job_type == "sweep" else [folder]
        return " ".join(["wandb sync", *(f"{place}/wandb/offline-run-*" for place in places)])

    def _send(self, row: dict[str, Any], step: int) -> None:
        prefixes = {name.partition("/")[0] for name in row}
        for prefix in sorted(prefixes - self._axes):
            self._run.define_metric(_axis(prefix), hidden=True)
            self._run.define_metric(f"{prefix}/*", step_metric=_axis(prefix))
        self._axes |= prefixes
        self._put(row | {_axis(prefix): step for prefix in prefixes}, step)

    def _put(self, row: dict[str, Any], step: int) -> None:
        is_taken = any(key in self._in_row and self._in_row[key] != row[key] for key in row)
        if step > self._row_step or is_taken:
            self._row_step = max(self._row_step + is_taken, step)
            self._in_row = {}
        self._in_row |= row
        self._run.log(row, step=self._row_step)


def _run_id(folder: Path) -> str:
    """Kept in the folder; written each time, which shows whether the folder can be written."""
    file = folder / "run_id"
    name = file.read_text().strip() if file.exists() else secrets.token_hex(4)
    write_text(file, name)
    return name


def _keep_to_the_run_folder(folder: Path) -> None:
    """Set what the environment does not say about wandb's other folders."""
    # A table's pictures lie only here until they are sent; the default is a folder in the user's
    # home, where an offline run would leave them behind when its folder is moved.
    os.environ.setdefault("WANDB_DATA_DIR", str((folder / "data").resolve()))
    os.environ.setdefault("WANDB_CACHE_DIR", str((folder / "cache").resolve()))
    # wandb would report its own errors to its makers, even from an offline run.
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")


def _quiet() -> wandb.Settings:
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


def _axis(prefix: str) -> str:
    return f"{prefix}/global_step"
