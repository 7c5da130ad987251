"""A run without a model, for a process of its own: logs rows, and tells how long that took."""

import json
import signal
import sys
import time
from pathlib import Path

import psutil

from sdexp.engine.recorder import log_numbers
from sdexp.ground.build import write_config
from sdexp.ground.records import RunRecord
from sdexp.ground.run import RunFolder
from sdexp.launch.compose import compose
from sdexp.launch.followers import Followers, end, following

ROWS, PAUSE = 200, 0.01


def main() -> None:
    """Arguments: the run folder, whom to send a signal at half-way, such as core:SIGKILL, or "",
    and overrides.
    """
    run, wanted, overrides = RunFolder(Path(sys.argv[1])), sys.argv[2], sys.argv[3:]
    composed = compose("train", overrides)
    write_config(run.config, composed.config)
    run.write_record(RunRecord(choices=composed.choices))
    began = time.monotonic()
    with following(run, composed.config.tracker) as followers:
        waited = 0.0
        for step in range(1, ROWS + 1):
            time.sleep(PAUSE)
            values = {"loss": 1 / step, "learning_rate": 1e-4}
            log_numbers(run, "train", values, step, step / 10)
            if wanted and step == ROWS // 2:
                waited = send(followers, run, *wanted.split(":"))
        last = time.monotonic()
        end(run, followers, 0)
    facts = {"seconds": time.monotonic() - began - waited, "last": last}
    print(json.dumps(facts))


def send(followers: Followers, run: RunFolder, whom: str, name: str) -> float:
    """Send a signal to the follower or to its wandb-core once the W&B run is open; the seconds
    that took.
    """
    began = time.monotonic()
    while not (run.wandb / "shipped.json").exists():
        time.sleep(0.02)
        assert time.monotonic() - began < 60
    time.sleep(0.5)
    follower = psutil.Process(followers["wandb"].pid)
    found = [follower]
    if whom == "core":
        found = [c for c in follower.children() if "wandb-core" in " ".join(c.cmdline())]
    (process,) = found
    process.send_signal(getattr(signal, name))
    return time.monotonic() - began


if __name__ == "__main__":
    main()
