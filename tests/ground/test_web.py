import httpx
import pytest

from sdexp.ground.web import NoAnswer, answer
from tests.web import NOBODY, Answer, server


def test_a_busy_server_is_asked_again() -> None:
    codes = [503, 429, 200]

    def answers(path: str, body: bytes) -> Answer:
        return codes.pop(0), {"retry-after": "0"}, b"done"

    with server(answers) as address:
        assert answer(lambda: httpx.get(address), pause=0.01).content == b"done"
    assert not codes


def test_what_is_not_there_is_not_asked_for_again() -> None:
    asked = []

    def answers(path: str, body: bytes) -> Answer:
        asked.append(path)
        return 404, {}, b""

    with server(answers) as address, pytest.raises(NoAnswer, match="^HTTP 404$"):
        answer(lambda: httpx.get(address), pause=0.01)
    assert len(asked) == 1


def test_a_server_that_stays_busy_is_given_up() -> None:
    asked = []

    def answers(path: str, body: bytes) -> Answer:
        asked.append(path)
        return 500, {}, b""

    with server(answers) as address, pytest.raises(NoAnswer, match="^HTTP 500$"):
        answer(lambda: httpx.get(address), attempts=3, pause=0.01)
    assert len(asked) == 3


def test_nobody_and_nonsense_are_told() -> None:
    with pytest.raises(NoAnswer, match="no connection") as caught:
        answer(lambda: httpx.get(NOBODY), attempts=2, pause=0.01)
    assert caught.value.is_offline
    with pytest.raises(NoAnswer, match="UnsupportedProtocol"):
        answer(lambda: httpx.get("no address"), attempts=1)


def test_a_server_that_hangs_is_left() -> None:
    import threading

    ended = threading.Event()

    def answers(path: str, body: bytes) -> Answer:
        ended.wait(5)
        return 200, {}, b""

    with server(answers) as address:
        with pytest.raises(NoAnswer, match="timed out"):
            answer(lambda: httpx.get(address, timeout=0.1), attempts=1)
        ended.set()


def test_the_time_to_wait_that_a_server_names_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr("sdexp.ground.web.time.sleep", waited.append)
    answers = iter([(429, {"retry-after": "7"}, b""), (503, {}, b""), (200, {}, b"")])
    with server(lambda path, body: next(answers)) as address:
        answer(lambda: httpx.get(address), pause=1)
    assert waited == [7, 2]
