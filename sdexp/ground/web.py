"""Requests over HTTP that wait for a busy server, and end in one line where it does not answer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from httpx import Client

BUSY = (408, 425, 429, 500, 502, 503, 504)
ATTEMPTS = 4
# Before the second attempt, twice as long before each later one.
PAUSE = 1.0
# The longest that a server is given which asks for time.
LONGEST_PAUSE = 60.0
# For a whole answer, however slowly it drips.
SECONDS = 60.0


class NoAnswer(Exception):
    """A server gave no useful answer; `reason` says why in a few words.

    is_offline: not even a connection came about.
    """

    def __init__(self, reason: str, is_offline: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_offline = is_offline


@dataclass(frozen=True)
class Answer:
    """status: of HTTP; content: the whole body; retry_after: seconds that the server asks for."""

    status: int
    content: bytes
    retry_after: float


def client() -> Client:
    """What requests go through; it follows redirections and gives up on a silent server."""
    import httpx

    return httpx.Client(timeout=SECONDS, follow_redirects=True)


def ask(through: Client, method: str, address: str, **options: Any) -> bytes:
    """The body of the first answer that a server has time for; raises `NoAnswer`.

    options: of httpx, such as `json` and `headers`. A server that names a time to wait
    (`Retry-After`, in seconds) is given it.
    """
    for attempt in range(ATTEMPTS):
        is_last = attempt == ATTEMPTS - 1
        pause = PAUSE * 2**attempt
        try:
            answer = _answer(through, method, address, options)
        except NoAnswer:
            if is_last:
                raise
            time.sleep(pause)
            continue
        if answer.status not in BUSY or is_last:
            break
        time.sleep(answer.retry_after or pause)
    if not 200 <= answer.status < 300:
        raise NoAnswer(f"HTTP {answer.status}")
    return answer.content


def _answer(through: Client, method: str, address: str, options: dict[str, Any]) -> Answer:
    import httpx

    ends = time.monotonic() + SECONDS
    try:
        with through.stream(method, address, **options) as response:
            parts = []
            for part in response.iter_bytes():
                if time.monotonic() > ends:
                    raise NoAnswer("timed out")
                parts.append(part)
            asked = response.headers.get_list("retry-after")
            return Answer(response.status_code, b"".join(parts), _pause(asked))
    except httpx.ConnectError as error:
        raise NoAnswer("no connection", is_offline=True) from error
    except httpx.TimeoutException as error:
        raise NoAnswer("timed out") from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise NoAnswer(type(error).__name__) from error


def _pause(asked: list[str]) -> float:
    return min(float(asked[0]), LONGEST_PAUSE) if asked and asked[0].isdecimal() else 0.0
