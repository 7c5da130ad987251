"""W&B servers that do not work, on this machine."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

BAD = ("refuses", "black-holes", "drips", "answers 500", "hangs up")


@contextmanager
def bad_server(how: str) -> Iterator[str]:
    """The address of a server that fails in one of the ways of `BAD`."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        ended = threading.Event()
        if how != "refuses":
            door.listen()
            door.settimeout(0.1)
            threading.Thread(target=_serve, args=(door, how, ended), daemon=True).start()
        yield f"http://127.0.0.1:{door.getsockname()[1]}"
        ended.set()


def _serve(door: socket.socket, how: str, ended: threading.Event) -> None:
    while not ended.is_set():
        try:
            guest, _ = door.accept()
        except TimeoutError:
            continue
        except OSError:
            return
        threading.Thread(target=_misbehave, args=(guest, how, ended), daemon=True).start()


def _misbehave(guest: socket.socket, how: str, ended: threading.Event) -> None:
    with guest:
        try:
            if how == "black-holes":
                ended.wait()
                return
            guest.settimeout(60)
            guest.recv(65536)
            if how == "answers 500":
                guest.sendall(b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n")
            if how == "hangs up":
                guest.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"data"')
            if how == "drips":
                guest.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n")
                while not ended.wait(1):
                    guest.sendall(b" ")
        except OSError:
            return
