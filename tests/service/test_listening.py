"""The server itself: one port, slow clients, a token, and how it ends."""

import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from sdexp.ground.errors import ConfigError
from sdexp.service import listening
from tests.service.houses import run_of, settings
from tests.service.serving import Served, service

TOKEN = "0123456789abcdef"


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port={port}: cannot listen there"):
            listening.serve(settings(f"port={port}"), tmp_path)


def test_a_head_that_drips_is_given_up_and_others_are_served(served: Served) -> None:
    """A hundred of them hold no thread and no place in the line."""
    parts = urlsplit(served.address)
    slow = [socket.create_connection((parts.hostname, parts.port)) for _ in range(100)]
    for one in slow:
        one.sendall(b"GET / HTTP/1.1\r\nHost: 127")
    began = time.monotonic()
    assert httpx.get(f"{served.address}/api/health").status_code == 200
    assert time.monotonic() - began < 1
    for one in slow:
        one.settimeout(listening.HEAD_SECONDS + 10)
        assert one.recv(100) == b""
        one.close()


def test_a_second_head_that_drips_is_given_up_too(
    served: Served,
) -> None:
    parts = urlsplit(served.address)
    with socket.create_connection((parts.hostname, parts.port)) as one:
        one.sendall(b"GET /api/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        one.settimeout(listening.HEAD_SECONDS + 10)
        assert one.recv(1000).startswith(b"HTTP/1.1 200")
        one.sendall(b"G")
        while one.recv(1000):
            pass


def test_a_request_that_is_no_http_is_no_harm(served: Served) -> None:
    parts = urlsplit(served.address)
    for sent in (b"\x00\xff" * 1000, b"GET / HTTP/9.9\r\n\r\n", b"A" * 200_000, b"\r\n" * 1000):
        with socket.create_connection((parts.hostname, parts.port), timeout=20) as one:
            try:
                one.sendall(sent)
                one.shutdown(socket.SHUT_WR)
                answer = one.recv(1000)
            except OSError:
                continue
            assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 403"))
    assert httpx.get(f"{served.address}/api/health").status_code == 200


def test_it_serves_behind_a_token_and_ends_on_a_signal(tmp_path: Path) -> None:
    run_of(tmp_path, "run")
    with service(tmp_path, tmp_path / "store", token=TOKEN, ready=False) as served:
        for _ in range(200):
            try:
                answer = httpx.get(f"{served.address}/api/health")
                break
            except httpx.TransportError:
                time.sleep(0.1)
        assert answer.status_code == 403
        page = httpx.get(f"{served.address}/?token={TOKEN}", follow_redirects=False)
        assert page.status_code == 303
        cookie = page.headers["set-cookie"].partition(";")[0]
        told = httpx.get(f"{served.address}/api/health", headers={"cookie": cookie})
        assert told.json() == {"status": "ok"}
