"""A run without a model, for a process of its own: logs rows, and tells how long that took."""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import psutil

from sdexp.engine.recorder import Recorder
from sdexp.ground.build import plain
from sdexp.ground.run import RunFolder
from sdexp.launch.compose import compose
from sdexp.recipes import build_recipes

ROWS, PAUSE = 200, 0.01


def main() -> None:
    """Arguments: the run folder, a signal for wandb-core at half-way or "", overrides."""
    run, wanted, overrides = RunFolder(Path(sys.argv[1])), sys.argv[2], sys.argv[3:]
    config = compose("train", overrides).config
    state = random.getstate()
    began = time.monotonic()
    recorder = Recorder(run, build_recipes(config).trackers, plain(config), "train", True)
    waited = 0.0
    for step in range(1, ROWS + 1):
        time.sleep(PAUSE)
        recorder.scalars("train", {"loss": 1 / step, "learning_rate": 1e-4}, step, step / 10)
        if wanted and step == ROWS // 2:
            waited = signal_service(recorder, getattr(signal, wanted))
    last = time.monotonic()
    recorder.close()
    seconds = time.monotonic() - began - waited
    same = random.getstate() == state
    facts = {"seconds": seconds, "last": last, "same": same, "left": "WANDB_SERVICE" in os.environ}
    print(json.dumps(facts))


def signal_service(recorder: Recorder, number: int) -> float:
    """Wait for the W&B run, then send a signal to its process; returns the seconds waited."""
    import wandb

    began = time.monotonic()
    assert recorder.trackers is not None
    (one,) = recorder.trackers._all
    while wandb.run is None or one._is_connecting:
        time.sleep(0.02)
        assert time.monotonic() - began < 60
    time.sleep(0.5)
    children = psutil.Process().children(recursive=True)
    services = [child for child in children if "wandb-core" in " ".join(child.cmdline())]
    assert services
    for service in services:
        service.send_signal(number)
    return time.monotonic() - began


if __name__ == "__main__":
    main()
