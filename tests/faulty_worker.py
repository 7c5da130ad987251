"""The real worker with one fault planted in its training: `python -m tests.faulty_worker ...`.

Which fault, in which process and before which step stands in FAULT as "<rank>:<step>:<kind>", or
hangs on the run's seed in a sweep.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sdexp import worker
from sdexp.engine.train.trainer import Trainer
from sdexp.engine.train.update import StepResult, Updater
from sdexp.ground.run import RunFolder


def loop() -> None:
    while True:
        time.sleep(0.01)


def deaf_loop() -> None:
    """Hangs, and hears no signal."""
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM, signal.SIGINT])
    loop()


def raise_error() -> None:
    raise ZeroDivisionError("planted")


FAULTS: dict[str, Callable[[], object]] = {
    "exception": raise_error,
    "exit0": lambda: sys.exit(0),
    "abort": os.abort,
    "sigkill": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "sigstop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
    "loop": loop,
    "deaf": deaf_loop,
}
BY_SEED = {101: "exception", 102: "exit0", 103: "abort", 104: "sigkill", 105: "deaf"}


def plant(rank: int, step: int, kind: str) -> None:
    """Before the update of `step` (counted from 1) in that process."""
    update = Updater.update

    def faulty(self: Updater, batches: object) -> StepResult:
        setup = self.setup
        if setup.accelerator.process_index == rank and setup.state.step == step - 1:
            FAULTS[kind]()
        return update(self, batches)  # type: ignore[arg-type]

    Updater.update = faulty  # type: ignore[method-assign]


def plant_by_seed() -> None:
    steps = Trainer._steps

    def chosen(self: Trainer) -> None:
        if self.training.seed in BY_SEED:
            plant(0, 3, BY_SEED[self.training.seed])
        steps(self)

    Trainer._steps = chosen  # type: ignore[method-assign]


if __name__ == "__main__":
    worker.save_stacks(RunFolder(Path(sys.argv[1])))
    if "FAULT" in os.environ:
        rank, step, kind = os.environ["FAULT"].split(":")
        plant(int(rank), int(step), kind)
    else:
        plant_by_seed()
    code = worker.main()
    if code:
        os._exit(code)
