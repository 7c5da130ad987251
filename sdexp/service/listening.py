"""The server under the service: one port, one event loop."""

import asyncio
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from sdexp.ground.errors import ConfigError
from sdexp.ground.interrupt import Interrupted
from sdexp.launch.app_settings import AppSettings
from sdexp.service.server import TOKEN, make_app, make_house, token_of

# Seconds in which the head of a request has to come.
HEAD_SECONDS = 15.0
KEEP_ALIVE = 15
SHUTDOWN = 5


class PatientProtocol(H11Protocol):
    """Ends a connection on which no whole head of a request comes in time."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        was_idle = self._is_idle
        super().data_received(data)
        if was_idle and self._is_idle:
            # The clock of an earlier byte goes on.
            return
        self._waiting.cancel()
        self._wait()

    @property
    def _is_idle(self) -> bool:
        """Whether no request is at work."""
        return self.cycle is None or self.cycle.response_complete

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if self.transport.is_closing():
            return
        if self._is_idle:
            self.transport.close()
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._waiting.cancel()
        super().connection_lost(exc)


def serve(settings: AppSettings, root: Path) -> int:
    """Serve until a signal ends it; returns the exit code. Raises `ConfigError`."""
    token = token_of(settings)
    listener = _listener(settings)
    house = make_house(settings, root)
    config = uvicorn.Config(
        make_app(house, token),
        http=PatientProtocol,
        loop="asyncio",
        ws="none",
        lifespan="on",
        log_level="warning",
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=SHUTDOWN,
    )
    runs = len(house.catalogue.runs)
    print(f"{runs} runs in {root}", flush=True)
    print(f"open http://{_shown(settings)}/{'?token=$' + TOKEN if token else ''}", flush=True)
    server = uvicorn.Server(config)
    # A signal is how a service ends.
    with suppress(Interrupted):
        asyncio.run(server.serve(sockets=[listener]))
    return 0


def _listener(settings: AppSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"host={settings.host} port={settings.port}: cannot listen there ({error.strerror}); "
            "choose another port"
        ) from error
    return listener


def _shown(settings: AppSettings) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{host}:{settings.port}"
