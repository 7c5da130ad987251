"""The process that owns the models, seen from the service."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sdexp.ground.serving import ModelsSettings, Order, Report, decode, encode
from sdexp.launch.processes import ALLOCATION

MODULE = "sdexp.engine.serve"
# Bytes of the longest report: a picture.
LONGEST_LINE = 2**28
# Seconds that it has to end once its socket is closed.
GRACE = 5.0


@dataclass
class ModelsProcess:
    """Takes orders and gives reports; `receive` gives None once it has died."""

    _process: asyncio.subprocess.Process
    _reader: asyncio.StreamReader
    _writer: asyncio.StreamWriter

    def send(self, order: Order) -> None:
        if not self._writer.is_closing():
            self._writer.write(encode(order))

    async def receive(self) -> Report | None:
        """The next report. May be left at any moment without losing one."""
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        return decode(line) if line.endswith(b"\n") else None  # type: ignore[return-value]

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        if self._process.returncode is None:
            self._process.kill()

    async def close(self) -> str:
        """End it; how it ended, in words."""
        self._writer.close()
        try:
            async with asyncio.timeout(GRACE):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        code = self._process.returncode or 0
        return f"signal {-code}" if code < 0 else f"exit code {code}"


@asynccontextmanager
async def models_process(settings: ModelsSettings) -> AsyncIterator[ModelsProcess]:
    """Started at the beginning, gone at the end."""
    ours, theirs = socket.socketpair()
    words = [sys.executable, "-m", MODULE, str(theirs.fileno()), encode(settings).decode()]
    child = await asyncio.create_subprocess_exec(
        *words,
        pass_fds=[theirs.fileno()],
        env=os.environ | ALLOCATION,
        stdin=asyncio.subprocess.DEVNULL,
        # A terminal's Ctrl-C reaches only us.
        start_new_session=True,
    )
    theirs.close()
    reader, writer = await asyncio.open_connection(sock=ours, limit=LONGEST_LINE)
    process = ModelsProcess(child, reader, writer)
    try:
        yield process
    finally:
        await process.close()
