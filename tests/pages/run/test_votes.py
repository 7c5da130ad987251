from pathlib import Path

import pytest
from scipy.stats import binomtest

from sdexp.ground.run import RunFolder
from sdexp.ground.votes import Choice, Vote, add_vote
from sdexp.pages.run.page import write_report
from sdexp.pages.run.votes import votes_line
from tests.pages.run.folders import beside, scores


def vote(run: RunFolder, choices: list[Choice], pairs: int = 2) -> None:
    """So many votes over pairs of two replicates, in turn."""
    for number, choice in enumerate(choices):
        place = number % pairs
        add_vote(run.votes, Vote(f"id{place // 2}", place % 2, choice, "original", float(number)))


def test_without_votes_there_is_no_sentence(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert votes_line(run) == ""
    run.votes.write_text("no vote\n")
    assert votes_line(run) == ""


def test_a_clear_choice_is_more_than_chance(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    vote(run, ["finetuned"] * 18 + ["original"] * 2 + ["same"] * 4, pairs=3)
    expected = binomtest(18, 20).proportion_ci(method="wilson")
    assert votes_line(run) == (
        "24 blind votes over 3 pairs: 18 for the finetuned, 2 for the original, 4 for neither. The "
        f"finetuned wins 90% of the decided ones, 95% interval {expected.low:.0%} to "
        f"{expected.high:.0%}: more than chance."
    )


@pytest.mark.parametrize(
    ("won", "lost", "told"),
    [
        (5, 5, "chance alone would explain it"),
        (6, 4, "chance alone would explain it"),
        (2, 18, "more than chance"),
    ],
)
def test_an_interval_around_a_half_is_chance(
    won: int, lost: int, told: str, tmp_path: Path
) -> None:
    run = RunFolder(tmp_path)
    vote(run, ["finetuned"] * won + ["original"] * lost)
    interval = binomtest(won, won + lost).proportion_ci(method="wilson")
    assert (interval.low <= 0.5 <= interval.high) == (told != "more than chance")
    assert votes_line(run).endswith(f": {told}.")


def test_votes_for_neither_are_only_counted(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    vote(run, ["same", "same"])
    assert votes_line(run) == (
        "2 blind votes over 2 pairs: 0 for the finetuned, 0 for the original, 2 for neither."
    )


def test_the_runs_own_report_tells_it_on_both_pages(run: RunFolder) -> None:
    write_report(run)
    assert "blind votes" not in run.report_html.read_text() + run.report_md.read_text()
    vote(run, ["finetuned"] * 18 + ["original"] * 2)
    write_report(run)
    for file in (run.report_html, run.report_md):
        assert votes_line(run) in file.read_text().replace("\\", "")
    other = beside(run, "2026_replicates-7", scores())
    write_report(run, other)
    assert "blind votes" not in other.report_html.read_text() + other.report_md.read_text()
