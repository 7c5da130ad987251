"""What a person sees while a loop runs: a bar on a terminal, plain lines elsewhere."""

import os
import signal
import sys
import time

from tqdm import tqdm

from sdexp.ground.interrupt import note

PLAIN_SECONDS = 15.0


class Progress:
    """Shows step, numbers and time left; silent when `visible` is false.

    total: None where nobody knows how many there will be.
    """

    def __init__(
        self, what: str, total: int | None, start: int, visible: bool, unit: str = "step"
    ) -> None:
        self.what = what
        self.total = total
        self.start = start
        self.done = start
        self.visible = visible
        self.began = time.monotonic()
        self.last = self.began
        self.bar = None
        if visible and sys.stderr.isatty():
            self.bar = tqdm(total=total, initial=start, desc=what, unit=unit, dynamic_ncols=True)

    def advance(self, text: str, by: int = 1) -> None:
        """Go on by some steps and show `text` beside the counter."""
        self.done += by
        if self.bar is not None:
            self.bar.set_postfix_str(text, refresh=False)
            self.bar.update(by)
        elif self.visible:
            now = time.monotonic()
            if now - self.last >= PLAIN_SECONDS or self.done in (self.start + by, self.total):
                self.last = now
                say(self._line(text, now))

    def _line(self, text: str, now: float) -> str:
        if self.total is None:
            return f"{self.what} {self.done} {text}".rstrip()
        return f"{self.what} {self.done}/{self.total} {text} {self._left(self.total, now)}"

    def _left(self, total: int, now: float) -> str:
        if self.done >= total:
            return f"done in {now - self.began:.0f} s"
        seconds = (now - self.began) / (self.done - self.start) * (total - self.done)
        return f"{seconds / 60:.1f} min left"

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


def say(text: str, visible: bool = True) -> None:
    """One plain line of a run; where nobody reads any more, the run ends as by SIGPIPE."""
    if not visible:
        return
    try:
        print(text, flush=True)
    except BrokenPipeError:
        # Python would try to write the same line again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        note(signal.SIGPIPE)
