"""SIGTERM and Ctrl-C: noted at once, acted on only where nothing is half done."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Interrupted(KeyboardInterrupt):
    """A person or a scheduler wants this process to end; `exit_code` is 128 + the signal."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number
        self.exit_code = 128 + number


@dataclass
class Received:
    """What came so far: the first signal and how many there were."""

    first: int | None = None
    count: int = 0
    may_raise: bool = False
    second_ends: bool = False


received = Received()


@contextmanager
def listening() -> Iterator[None]:
    """Note signals instead of dying of the first; a second ends the process at once."""
    received.first = None
    received.count = 0
    received.second_ends = True
    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield
    finally:
        received.first = None
        received.count = 0
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def counting() -> Iterator[Received]:
    """Only count signals: the caller looks at them and hands them on to its children."""
    raised = received.may_raise
    ends = received.second_ends
    received.may_raise = False
    received.second_ends = False
    try:
        yield received
    finally:
        received.may_raise = raised
        received.second_ends = ends


def note(number: int, frame: FrameType | None = None) -> None:
    """What a signal does when it comes."""
    received.count += 1
    received.first = received.first or number
    if received.second_ends and received.count > 1:
        os._exit(128 + number)
    if received.may_raise:
        received.may_raise = False
        raise Interrupted(received.first)


def check_interrupt() -> None:
    """Raise `Interrupted` when a signal has come."""
    if received.first is not None:
        raise Interrupted(received.first)


def stay() -> None:
    """From here to its end the work in `interruptible` may not be left: something is half done."""
    received.may_raise = False


@contextmanager
def interruptible() -> Iterator[None]:
    """Work that may be left at any moment: a signal raises `Interrupted` in the midst of it."""
    before = received.may_raise
    received.may_raise = True
    try:
        check_interrupt()
        yield
    finally:
        received.may_raise = before
