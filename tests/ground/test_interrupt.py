import os
import signal
import subprocess
import sys
import time

import pytest

from sdexp.ground.interrupt import (
    Interrupted,
    check_interrupt,
    counting,
    interruptible,
    listening,
    received,
)


def send(number: int = signal.SIGTERM) -> None:
    os.kill(os.getpid(), number)


def test_a_signal_waits_for_work_that_may_be_left() -> None:
    with listening():
        send()
        assert received.count == 1
        with pytest.raises(Interrupted, match="SIGTERM") as caught, interruptible():
            pytest.fail("the signal had come already")
        assert caught.value.exit_code == 143


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_work_that_may_be_left(number: int, code: int) -> None:
    with listening(), pytest.raises(Interrupted) as caught, interruptible():
        send(number)
        time.sleep(5)
        pytest.fail("nothing happened")
    assert caught.value.exit_code == code and not received.may_raise


def test_work_inside_work_keeps_the_outer_permission() -> None:
    with listening():
        with interruptible():
            with interruptible():
                pass
            assert received.may_raise
        assert not received.may_raise


def test_counting_raises_nothing_and_hands_on() -> None:
    with listening(), interruptible():
        with counting() as seen:
            send()
            send(signal.SIGINT)
            assert (seen.first, seen.count) == (signal.SIGTERM, 2)
        with pytest.raises(Interrupted, match="SIGTERM"):
            check_interrupt()


def test_handlers_are_put_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with listening():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] == before


def test_a_second_signal_ends_the_process() -> None:
    code = (
        "import os, signal, time\n"
        "from sdexp.ground.interrupt import listening\n"
        "with listening():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    time.sleep(30)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=20).returncode == 143


def test_counting_within_counting_leaves_the_outer_one_as_it_was() -> None:
    with listening(), counting() as seen:
        with counting():
            pass
        assert not seen.second_ends
