import io
import os
import signal
import sys

import pytest

from sdexp.ground import progress
from sdexp.ground.interrupt import Interrupted, check_interrupt, listening, received
from sdexp.ground.progress import Progress, say


def lines(capsys: pytest.CaptureFixture[str], total: int, start: int = 0) -> list[str]:
    shown = Progress("training", total, start, visible=True)
    for step in range(start, total):
        shown.advance(f"loss {step}")
    shown.close()
    return capsys.readouterr().out.splitlines()


def test_without_a_terminal_there_are_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    first, last = lines(capsys, 500)
    assert first.startswith("training 1/500 loss 0 ") and first.endswith("min left")
    assert last.startswith("training 500/500 loss 499 done in ")


def test_plain_lines_come_at_intervals_of_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(range(0, 6000, 6))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    told = [line.split()[1] for line in lines(capsys, 10, start=2)]
    assert told == ["3/10", "6/10", "9/10", "10/10"]


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", terminal)
    shown = Progress("training", 4, 1, visible=True, unit="update")
    shown.advance("loss 0.5", by=3)
    shown.close()
    assert "training: 100%" in terminal.getvalue() and "loss 0.5" in terminal.getvalue()
    assert "4/4" in terminal.getvalue()


def test_where_nobody_reads_the_run_ends_as_by_a_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed, listening():
        monkeypatch.setattr(sys, "stdout", closed)
        say("a line")
        say("another")
        assert (received.first, received.count) == (signal.SIGPIPE, 1)
        with pytest.raises(Interrupted, match="SIGPIPE"):
            check_interrupt()


def test_other_ranks_are_silent(capfd: pytest.CaptureFixture[str]) -> None:
    shown = Progress("training", 2, 0, visible=False)
    shown.advance("loss 1", by=2)
    shown.close()
    assert capfd.readouterr() == ("", "")


def test_where_nobody_knows_the_total_what_is_done_is_counted(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shown = Progress("reading", None, 0, visible=True)
    shown.advance("")
    shown.close()
    assert capsys.readouterr().out == "reading 1\n"
