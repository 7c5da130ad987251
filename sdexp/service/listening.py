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
# Connections at once; each costs a few kB.
MOST_CONNECTIONS = 512
SHUTDOWN = 5


class PatientProtocol(H11Protocol):
    """Ends a connection on which no whole head of a request comes in time."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _give_up(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            self.transport.close()

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
        limit_concurrency=MOST_CONNECTIONS,
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
