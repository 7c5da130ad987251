"""The two ends of a socket: this process and one that owns a channel."""

import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from sdexp.ground.serving import (
    Cancel,
    Ended,
    MakePictures,
    Message,
    Prove,
    Ready,
    Weights,
    decode,
    encode,
)

# Answers each order: jobs by how they stand before and after they are closed.
OWNER = """
import sys
import time
from sdexp.engine.serve.channel import Cancelled, Channel
from sdexp.ground.serving import Ended, Prove, Ready

def stands(job):
    try:
        channel.check(job)
    except Cancelled:
        return "cancelled"
    return "finished"

channel = Channel(int(sys.argv[1]))
channel.send(Ready("cpu", 1))
for order in channel.orders():
    if isinstance(order, Prove):
        channel.send(Ready(order.weights.name, 2))
        continue
    if order.job == "busy":
        channel.send(Ready("busy", 3))
        deadline = time.monotonic() + 30
        while stands("busy") == "finished" and time.monotonic() < deadline:
            time.sleep(0.01)
    channel.send(Ended(order.job, stands(order.job)))
    channel.close_job(order.job)
    channel.send(Ended(order.job, stands(order.job)))
"""


class Owner:
    """A process with a channel."""

    def __init__(self) -> None:
        self.socket, theirs = socket.socketpair()
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(theirs.fileno())], pass_fds=[theirs.fileno()]
        )
        theirs.close()
        self.socket.settimeout(60)
        self._lines = self.socket.makefile("rb")

    def tell(self, *messages: Message) -> None:
        self.socket.sendall(b"".join(encode(message) for message in messages))

    def hear(self, count: int) -> list[Message]:
        return [decode(self._lines.readline()) for _ in range(count)]

    def close(self) -> None:
        self._lines.close()
        self.socket.close()


@pytest.fixture(scope="module")
def shared_owner() -> Iterator[Owner]:
    owner = Owner()
    owner.hear(1)
    yield owner
    owner.close()
    owner.process.wait(timeout=60)


def asked(job: str) -> MakePictures:
    return MakePictures(job, [])


def test_orders_come_one_after_the_other(shared_owner: Owner) -> None:
    names = [str(number) for number in range(50)]
    shared_owner.tell(*(Prove(Weights("run", "export", name)) for name in names))
    assert shared_owner.hear(50) == [Ready(name, 2) for name in names]


def test_only_the_named_job_is_left_and_that_is_forgotten_with_it(shared_owner: Owner) -> None:
    # All of it is read before the first job begins, as `busy` waits for its own end.
    orders = [asked("busy"), asked("a"), asked("b"), Cancel("b"), Cancel("unknown"), Cancel("busy")]
    shared_owner.tell(*orders)
    busy = [Ended("busy", "cancelled"), Ended("busy", "finished")]
    assert shared_owner.hear(3) == [Ready("busy", 3), *busy]
    assert shared_owner.hear(2) == [Ended("a", "finished"), Ended("a", "finished")]
    assert shared_owner.hear(2) == [Ended("b", "cancelled"), Ended("b", "finished")]
    # The same name again is another job.
    shared_owner.tell(asked("b"))
    assert shared_owner.hear(2) == [Ended("b", "finished"), Ended("b", "finished")]


def test_the_process_ends_with_the_socket_in_the_midst_of_a_job() -> None:
    owner = Owner()
    owner.tell(asked("busy"))
    assert owner.hear(2) == [Ready("cpu", 1), Ready("busy", 3)]
    assert owner.process.poll() is None
    owner.close()
    assert owner.process.wait(timeout=20) == 0


@pytest.mark.parametrize("how", ["half a line", "unread reports"])
def test_it_ends_too_where_the_service_broke_off(how: str) -> None:
    owner = Owner()
    if how == "half a line":
        owner.hear(1)
        owner.socket.sendall(encode(asked("a"))[:-5])
    else:
        # What is left unread resets the connection at the other end.
        owner.tell(*(Prove(Weights("run", "export", str(number))) for number in range(50)))
        owner.hear(1)
    owner.close()
    owner.process.wait(timeout=20)
