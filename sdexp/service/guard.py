"""Who may speak to the service, and how much and how slowly: before anything else looks at it."""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from typing import Any, TypeAlias
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException

from sdexp.launch.app_settings import LOOPBACK
from sdexp.pages.environment import page_script_hash
from sdexp.service.refusals import Refusal

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

COOKIE = "sdexp_token"
# Seconds in which a whole body has to come.
BODY_SECONDS = 15.0
# Of a body that is too long, so much is read and thrown away: bytes, and seconds.
DRAINED = 10_000_000
DRAIN_SECONDS = 2.0
TOO_LONG = 413
# Answered at the same time.
MOST_REQUESTS = 512
PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
# What a report may do, whatever it says itself: run our one script, and be shown by the page.
REPORT_POLICY = (
    "default-src 'none'; img-src data: 'self'; style-src 'unsafe-inline'; "
    f"script-src '{page_script_hash()}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}


class Guard:
    """Wraps an ASGI application.

    hosts: names that the service may be called by, in lower case; token: what a client has to
    know, None for nothing. Another site's page can send requests to this machine: such a request
    names its origin, or a host that is not ours (DNS rebinding).
    """

    def __init__(self, app: App, hosts: list[str], token: str | None, max_body: int) -> None:
        self._app = app
        self._hosts = {*LOOPBACK, *(host.lower() for host in hosts)}
        self._token = token
        self._max_body = max_body
        self._at_work = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        fault = self._fault(scope, headers)
        if fault is None and self._at_work >= MOST_REQUESTS:
            fault = Refusal(503, "too many requests at once; come again", retry_after=1)
        if fault is not None:
            if fault.status == TOO_LONG:
                await _drain(receive)
            await _refuse(send, fault)
            return
        if self._may_set_cookie(scope):
            await _send_cookie(send, self._token or "")
            return
        body = Body(receive, self._max_body)
        answer = Answer(send, scope["path"])
        self._at_work += 1
        try:
            await self._app(scope, body, answer)
        finally:
            self._at_work -= 1

    def _fault(self, scope: Scope, headers: dict[str, str]) -> Refusal | None:
        host = headers["host"] if "host" in headers else ""
        if _name_of(host) not in self._hosts:
            return Refusal(403, "Host: not a name of this service; set allowed_hosts")
        if "origin" in headers and headers["origin"] not in (f"http://{host}", f"https://{host}"):
            return Refusal(403, "Origin: another site may not use this service")
        if _is_from_elsewhere(headers):
            return Refusal(403, "Sec-Fetch-Site: another site may not use this service")
        if self._token is not None and not self._knows_token(scope, headers):
            return Refusal(403, "token: missing or wrong; send Authorization: Bearer TOKEN")
        length = headers["content-length"] if "content-length" in headers else "0"
        if not length.isascii() or not length.isdecimal():
            return Refusal(400, "Content-Length: is no number")
        if int(length[:20]) > self._max_body:
            return Refusal(TOO_LONG, f"the body is longer than {self._max_body} bytes")
        return None

    def _knows_token(self, scope: Scope, headers: dict[str, str]) -> bool:
        found = [_cookie(headers), _queried(scope)]
        if "authorization" in headers:
            found.append(headers["authorization"].removeprefix("Bearer "))
        expected = (self._token or "").encode()
        return any(hmac.compare_digest(one.encode(), expected) for one in found)

    def _may_set_cookie(self, scope: Scope) -> bool:
        """Whether a person has opened an address with the token in it, which then goes away."""
        return self._token is not None and scope["method"] == "GET" and bool(_queried(scope))


class Body:
    """What a client sends, up to a limit of bytes and of time; raises `HTTPException` beyond it."""

    def __init__(self, receive: Receive, limit: int) -> None:
        self._receive = receive
        self._limit = limit
        self._deadline = asyncio.get_running_loop().time() + BODY_SECONDS
        self._length = 0
        self._is_whole = False

    async def __call__(self) -> Message:
        if self._is_whole:
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError as error:
            raise HTTPException(408, "the body came too slowly") from error
        self._length += _size(message)
        if self._length > self._limit:
            await _drain(self._receive)
            raise HTTPException(TOO_LONG, f"the body is longer than {self._limit} bytes")
        self._is_whole = _is_last(message)
        return message


class Answer:
    """What goes back, with headers that keep it where it belongs."""

    def __init__(self, send: Send, path: str) -> None:
        self._send = send
        self._policy = REPORT_POLICY if path.startswith("/api/runs/") else PAGE_POLICY

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            own = {**HEADERS, "content-security-policy": self._policy}
            message["headers"] = [*message["headers"], *_encoded(own)]
        await self._send(message)


def _encoded(headers: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(key.encode(), value.encode("latin-1")) for key, value in headers.items()]


def _name_of(host: str) -> str:
    """A host without its port; an address of IPv6 stands in brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.rpartition(":")[0].lower() if ":" in host else host.lower()


def _is_from_elsewhere(headers: dict[str, str]) -> bool:
    """Whether another site's page has asked; a person may follow a link from there."""
    site = headers["sec-fetch-site"] if "sec-fetch-site" in headers else "none"
    mode = headers["sec-fetch-mode"] if "sec-fetch-mode" in headers else ""
    return site in ("cross-site", "same-site") and mode != "navigate"


def _cookie(headers: dict[str, str]) -> str:
    try:
        found = SimpleCookie(headers["cookie"] if "cookie" in headers else "")
    except CookieError:
        return ""
    return found[COOKIE].value if COOKIE in found else ""


def _queried(scope: Scope) -> str:
    found = parse_qs(scope["query_string"].decode("latin-1"))
    return found["token"][0] if "token" in found else ""


def _size(message: Message) -> int:
    return len(message["body"]) if "body" in message else 0


def _is_last(message: Message) -> bool:
    return "more_body" not in message or not message["more_body"]


async def _drain(receive: Receive) -> None:
    """Let a client send the rest, or some of it: one that still sends would not hear the answer."""
    left = DRAINED
    with suppress(TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            while left > 0:
                message = await receive()
                left -= _size(message)
                if _is_last(message):
                    return


async def _refuse(send: Send, fault: Refusal) -> None:
    body = json.dumps({"detail": fault.detail}).encode()
    # What a client still sends is not read.
    headers = {**HEADERS, "content-type": "application/json", "connection": "close"}
    if fault.retry_after is not None:
        headers["retry-after"] = str(fault.retry_after)
    await send(
        {"type": "http.response.start", "status": fault.status, "headers": _encoded(headers)}
    )
    await send({"type": "http.response.body", "body": body})


async def _send_cookie(send: Send, token: str) -> None:
    cookie = f"{COOKIE}={token}; Path=/; HttpOnly; SameSite=Strict"
    headers = {**HEADERS, "location": "/", "set-cookie": cookie}
    await send({"type": "http.response.start", "status": 303, "headers": _encoded(headers)})
    await send({"type": "http.response.body", "body": b""})
