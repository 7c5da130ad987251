"""Orders that come in and reports that go out, over one socket."""

import os
import socket
import threading
from collections.abc import Iterator
from queue import SimpleQueue

from sdexp.ground.serving import Cancel, Order, Report, decode, encode


class Cancelled(Exception):
    """Nobody wants the rest of a job any more."""


class Channel:
    """A thread reads, so that a job at work hears of its end; the process ends with the service."""

    def __init__(self, handle: int) -> None:
        self._socket = socket.socket(fileno=handle)
        self._waiting: SimpleQueue[Order] = SimpleQueue()
        self._cancelled: set[str] = set()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        try:
            for line in self._socket.makefile("rb"):
                order = decode(line)
                if isinstance(order, Cancel):
                    self._cancelled.add(order.job)
                else:
                    self._waiting.put(order)  # type: ignore[arg-type]
        finally:
            # Also where it broke off; and not through the end of the interpreter: the other thread
            # is in the midst of its work.
            os._exit(0)

    def orders(self) -> Iterator[Order]:
        """One after the other, for ever."""
        while True:
            yield self._waiting.get()

    def send(self, report: Report) -> None:
        self._socket.sendall(encode(report))

    def check(self, job: str) -> None:
        """Raise `Cancelled` where the job is to be left."""
        if job in self._cancelled:
            raise Cancelled

    def close_job(self, job: str) -> None:
        """The job is over: what was said of it is of no use any more."""
        self._cancelled.discard(job)
