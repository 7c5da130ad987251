"""Requests over HTTP that wait for a busy server, and end in one line where it does not answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from httpx import Response

BUSY = (408, 425, 429, 500, 502, 503, 504)
ATTEMPTS = 4
# Before the second attempt, twice as long before each later one, never longer than the last.
PAUSE = 1.0
LONGEST_PAUSE = 60.0


class NoAnswer(Exception):
    """A server gave no useful answer; `reason` says why in a few words.

    is_offline: not even a connection came about.
    """

    def __init__(self, reason: str, is_offline: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_offline = is_offline


def answer(
    send: Callable[[], Response], attempts: int = ATTEMPTS, pause: float = PAUSE
) -> Response:
    """The response of the first attempt that a server has time for; raises `NoAnswer`.

    A server that names a time to wait (`Retry-After`, in seconds) is given it.
    """
    for attempt in range(attempts):
        is_last = attempt == attempts - 1
        try:
            response = _sent(send)
        except NoAnswer:
            if is_last:
                raise
            time.sleep(pause * 2**attempt)
            continue
        if response.status_code not in BUSY or is_last:
            break
        time.sleep(_pause_asked_for(response) or pause * 2**attempt)
    if response.is_error:
        raise NoAnswer(f"HTTP {response.status_code}")
    return response


def _sent(send: Callable[[], Response]) -> Response:
    import httpx

    try:
        return send()
    except httpx.ConnectError as error:
        raise NoAnswer("no connection", is_offline=True) from error
    except httpx.TimeoutException as error:
        raise NoAnswer("timed out") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NoAnswer(type(error).__name__) from error


def _pause_asked_for(response: Response) -> float:
    told = response.headers["retry-after"] if "retry-after" in response.headers else ""
    return min(float(told), LONGEST_PAUSE) if told.isdecimal() else 0.0
