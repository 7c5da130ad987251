"""Who may speak to the service, seen by an application that only counts."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from sdexp.pages.environment import page_script_hash
from sdexp.service import guard as module
from sdexp.service.guard import Guard

HOME = "http://127.0.0.1:7860"
TOKEN = "0123456789abcdef"


class Counting:
    """An application behind a guard; `bodies` is what reached it."""

    def __init__(self, token: str | None = None, limit: int = 100) -> None:
        self.bodies: list[bytes] = []
        app = FastAPI()

        @app.get("/")
        @app.get("/api/runs/x/report")
        @app.post("/")
        async def count(request: Request) -> dict[str, int]:
            self.bodies.append(await request.body())
            return {"length": len(self.bodies[-1])}

        self.app = Guard(app, ["GPU-box"], token, limit)

    def ask(self, method: str = "GET", path: str = "/", **options: Any) -> httpx.Response:
        async def play() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url=HOME) as client:
                return await client.request(method, path, **options)

        return asyncio.run(play())


@pytest.mark.parametrize(
    "host", ["127.0.0.1:7860", "127.0.0.1", "localhost:1", "[::1]:7860", "gpu-box", "GPU-BOX:80"]
)
def test_it_answers_to_its_own_names(host: str) -> None:
    assert Counting().ask(headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "127.0.0.1.evil.example:7860"},
        {"host": "evil.example:127.0.0.1"},
        {"host": ""},
        {"host": "localhost@evil.example"},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://127.0.0.1:7860.evil.example"},
        {"origin": ""},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "cors"},
    ],
)
def test_other_sites_are_refused_before_anything_is_read(headers: dict[str, str]) -> None:
    counting = Counting()
    for method in ("GET", "POST"):
        answer = counting.ask(method, headers=headers, content=None if method == "GET" else b"x")
        assert answer.status_code == 403 and list(answer.json()) == ["detail"]
        assert answer.headers["connection"] == "close"
        assert "access-control-allow-origin" not in answer.headers
    assert not counting.bodies


def test_its_own_page_and_a_followed_link_are_welcome() -> None:
    counting = Counting()
    own = {"origin": HOME, "sec-fetch-site": "same-origin"}
    assert counting.ask("POST", headers=own, content=b"x").json() == {"length": 1}
    link = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert counting.ask(headers=link).status_code == 200


def test_a_token_is_asked_for() -> None:
    counting = Counting(TOKEN)
    for headers in ({}, {"authorization": "Bearer wrong"}, {"cookie": "sdexp_token=wrong"},
                    {"authorization": b"Bearer \xff"}, {"cookie": b"\x01=;;"}):  # fmt: skip
        assert counting.ask(headers=headers).status_code == 403
    assert counting.ask(path="/?token=wrong").status_code == 403
    assert not counting.bodies
    assert counting.ask(headers={"authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert counting.ask(headers={"cookie": f"a=b; sdexp_token={TOKEN}"}).status_code == 200


def test_an_address_with_the_token_becomes_a_cookie() -> None:
    answer = Counting(TOKEN).ask(path=f"//evil.example/?token={TOKEN}")
    assert answer.status_code == 303 and answer.headers["location"] == "/"
    cookie = answer.headers["set-cookie"]
    assert TOKEN in cookie and "HttpOnly" in cookie and "SameSite=Strict" in cookie


def test_a_body_has_a_length() -> None:
    counting = Counting()
    assert counting.ask("POST", content=b"x" * 100).status_code == 200
    assert counting.ask("POST", content=b"x" * 101).status_code == 413
    for length in ("-1", "1e3", "", "9" * 5000, "\u0661"):
        headers = [(b"content-length", length.encode())]
        assert counting.ask("POST", headers=headers).status_code in (400, 413)
    assert counting.bodies == [b"x" * 100]


def test_one_that_still_sends_hears_the_answer() -> None:
    """Of what is too long some is thrown away; of what is much too long, not all."""
    counting = Counting()
    read = 0

    async def parts(count: int) -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(count):
            read += 10**6
            yield b"x" * 10**6

    async def endless() -> AsyncIterator[bytes]:
        async for part in parts(1000):
            yield part

    async def few() -> AsyncIterator[bytes]:
        async for part in parts(5):
            yield part

    assert counting.ask("POST", content=few()).status_code == 413 and read == 5 * 10**6
    read = 0
    assert counting.ask("POST", content=endless()).status_code == 413 and read < 20 * 10**6
    assert not counting.bodies


def test_a_body_without_a_length_is_counted() -> None:
    counting = Counting()

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x" * 10

    answer = counting.ask("POST", content=parts())
    assert answer.status_code == 413 and not counting.bodies


def test_a_body_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BODY_SECONDS", 0.2)
    counting = Counting()
    sent: list[Any] = []
    scope = {
        "type": "http", "method": "POST", "path": "/", "raw_path": b"/", "query_string": b"",
        "headers": [(b"host", b"127.0.0.1:7860")], "http_version": "1.1", "scheme": "http",
        "server": ("127.0.0.1", 7860), "client": ("127.0.0.1", 1), "root_path": "",
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.15)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(counting.app(scope, receive, send))
    assert sent[0]["status"] == 408 and not counting.bodies


def test_answers_stay_where_they_belong() -> None:
    counting = Counting()
    headers = counting.ask().headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    report = counting.ask(path="/api/runs/x/report").headers["content-security-policy"]
    # Whatever lies in a run's folder as a report: only the script of our pages may run.
    assert "default-src 'none'" in report and f"script-src '{page_script_hash()}';" in report
    assert (
        "frame-ancestors 'self'" in report
        and "'unsafe-inline'" not in report.split("script-src")[1]
    )


def test_there_is_an_end_of_what_is_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_REQUESTS", 0)
    answer = Counting().ask()
    assert answer.status_code == 503 and answer.headers["retry-after"] == "1"
    assert list(answer.json()) == ["detail"]
