import socket
import threading
import time
from collections.abc import Iterator

import pytest

from sdexp.ground import web
from sdexp.ground.web import NoAnswer, ask, client
from tests.web import NOBODY, Answer, Answers, server


@pytest.fixture(autouse=True)
def waited(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long was waited for a server, which takes no time."""
    pauses: list[float] = []
    monkeypatch.setattr(web.time, "sleep", pauses.append)
    return pauses


def asked(answers: Answers, path: str = "") -> bytes:
    with server(answers) as address, client() as through:
        return ask(through, "GET", f"{address}{path}")


def test_a_busy_server_is_asked_again_after_the_time_that_it_names(waited: list[float]) -> None:
    answers = iter([(429, {"retry-after": "7"}, b""), (503, {}, b""), (200, {}, b"done")])
    assert asked(lambda path, body: next(answers)) == b"done"
    assert waited == [7, 2]


def test_nobody_waits_longer_than_a_minute(waited: list[float]) -> None:
    answers = iter([(429, {"retry-after": "86400"}, b""), (200, {}, b"")])
    asked(lambda path, body: next(answers))
    assert waited == [60]


@pytest.mark.parametrize(("status", "times"), [(404, 1), (401, 1), (500, 4)])
def test_only_what_may_pass_is_asked_for_again(status: int, times: int) -> None:
    seen = []

    def answers(path: str, body: bytes) -> Answer:
        seen.append(path)
        return status, {}, b""

    with pytest.raises(NoAnswer, match=f"^HTTP {status}$"):
        asked(answers)
    assert len(seen) == times


def test_redirections_are_followed() -> None:
    def answers(path: str, body: bytes) -> Answer:
        return (302, {"location": "/there"}, b"") if path == "/here" else (200, {}, b"there")

    assert asked(answers, "/here") == b"there"


def test_nobody_and_nonsense_are_told() -> None:
    with client() as through:
        with pytest.raises(NoAnswer, match="no connection") as caught:
            ask(through, "GET", NOBODY)
        assert caught.value.is_offline
        with pytest.raises(NoAnswer, match="UnsupportedProtocol"):
            ask(through, "GET", "no address")


@pytest.fixture
def dripping() -> Iterator[str]:
    """A server that never comes to the end of its answer."""
    ended = threading.Event()

    def serve(door: socket.socket) -> None:
        while not ended.is_set():
            guest, _ = door.accept()
            guest.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
            threading.Thread(target=drip, args=(guest,), daemon=True).start()

    def drip(guest: socket.socket) -> None:
        while not ended.wait(0.02):
            try:
                guest.sendall(b" ")
            except OSError:
                return

    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()
        threading.Thread(target=serve, args=(door,), daemon=True).start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        ended.set()


def test_a_server_that_drips_is_left(dripping: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "SECONDS", 0.2)
    monkeypatch.setattr(web, "ATTEMPTS", 1)
    began = time.monotonic()
    with client() as through, pytest.raises(NoAnswer, match="timed out"):
        ask(through, "GET", dripping)
    assert time.monotonic() - began < 2


def test_a_server_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "SECONDS", 0.1)
    ended = threading.Event()

    def answers(path: str, body: bytes) -> Answer:
        ended.wait(5)
        return 200, {}, b""

    with server(answers) as address, client() as through:
        with pytest.raises(NoAnswer, match="timed out"):
            ask(through, "GET", address)
        ended.set()
