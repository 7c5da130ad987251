"""A process in the place of the one that owns the models, which does what prompts tell it to.

It speaks the real protocol over the real socket: `slow` takes a step each 20 ms until it is
cancelled, `hang` hears nothing, `die` ends the process, `fail` fails; the rest is made at once.
"""

import hashlib
import os
import socket
import sys
import threading
import time
from queue import SimpleQueue

import numpy as np

from sdexp.engine.images import png_bytes
from sdexp.ground.applied import Applied
from sdexp.ground.serving import (
    Cancel,
    CannotStart,
    Ended,
    Made,
    MakeGrid,
    MakePictures,
    ModelsSettings,
    Progress,
    Prove,
    Proved,
    Ready,
    Shot,
    as_text,
    decode,
    encode,
)

STEPS = 1000


class Told:
    def __init__(self, handle: int) -> None:
        self.socket = socket.socket(fileno=handle)
        self.waiting: SimpleQueue[Prove | MakePictures | MakeGrid] = SimpleQueue()
        self.cancelled: set[str] = set()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self) -> None:
        for line in self.socket.makefile("rb"):
            order = decode(line)
            if isinstance(order, Cancel):
                self.cancelled.add(order.job)
            else:
                self.waiting.put(order)  # type: ignore[arg-type]
        os._exit(0)

    def send(self, report: object) -> None:
        self.socket.sendall(encode(report))  # type: ignore[arg-type]

    def work(self) -> None:
        while True:
            order = self.waiting.get()
            if isinstance(order, Prove):
                if order.weights.name == "13":
                    os._exit(9)
                self.send(Proved(order.weights, Applied(2, 2), True, None))
            else:
                self.send(Ended(order.job, *self.done(order)))

    def done(self, order: MakePictures | MakeGrid) -> tuple[str, str | None]:
        for number, shot in enumerate(order.shots):
            if shot.prompt == "die":
                os._exit(9)
            if shot.prompt == "hang":
                time.sleep(600)
            if shot.prompt == "fail":
                return "failed", f"{shot.weights.run}/weights: broken"
            if shot.prompt == "slow" and not self.slowly(order.job):
                return "cancelled", None
            self.send(Progress(order.job, number, len(order.shots), 1, 1))
            self.send(made(order.job, number, shot))
        return "finished", None

    def slowly(self, job: str) -> bool:
        for step in range(STEPS):
            if job in self.cancelled:
                return False
            self.send(Progress(job, 0, 1, step, STEPS))
            time.sleep(0.02)
        return True


def made(job: str, number: int, shot: Shot) -> Made:
    pixels = np.full((8, 16, 3), shot.seed % 256, np.uint8)
    return Made(
        job=job,
        picture=number,
        png=as_text(png_bytes(pixels)),
        sha256=hashlib.sha256(pixels.tobytes()).hexdigest(),
        from_store=False,
        withheld=False,
        clip_score=20.0,
        scorer="a judge",
        drift=None,
        drift_judge=None,
        differs=shot.weights.kind != "original",
    )


def main() -> None:
    told = Told(int(sys.argv[1]))
    settings = decode(sys.argv[2].encode())
    assert isinstance(settings, ModelsSettings)
    if settings.safety_checker is not None:
        told.send(CannotStart(f"safety_checker={settings.safety_checker}: cannot be loaded"))
        return
    told.send(Ready("cpu", 10**9))
    told.work()


if __name__ == "__main__":
    main()
