import json
from pathlib import Path

import pytest

from sdexp.ground.errors import DiskError
from sdexp.ground.votes import CHOICES, Vote, add_vote, read_votes

VOTES = [
    Vote("0123456789ab", 0, "finetuned", "original", 1e9),
    Vote("0123456789ab", 0, "same", "finetuned", 1e9 + 1 / 3),
    Vote("ba9876543210", 2, "original", "original", 1e9 + 2),
]


def test_votes_are_read_back_in_order(tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    assert read_votes(file) == ([], [])
    for count, vote in enumerate(VOTES, start=1):
        add_vote(file, vote)
        assert read_votes(file) == (VOTES[:count], [])
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert lines[0] == {
        "prompt_id": "0123456789ab",
        "replicate": 0,
        "choice": "finetuned",
        "left": "original",
        "time": 1e9,
    }
    assert set(CHOICES) == {"original", "finetuned", "same"}


def test_damaged_lines_are_numbered_and_the_others_count(tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    good = {"prompt_id": "a", "replicate": 0, "choice": "same", "left": "original", "time": 1.0}
    lost = {key: value for key, value in good.items() if key != "left"}
    lines = [
        json.dumps(good).encode(),
        json.dumps(good).encode()[:-9],
        b"",
        b"\xff\xfe",
        b"[1, 2]",
        json.dumps(good).encode(),
        json.dumps(lost).encode(),
        json.dumps(good | {"more": 1}).encode(),
        json.dumps(good | {"choice": "left"}).encode(),
        json.dumps(good | {"choice": ["same"]}).encode(),
        json.dumps(good | {"left": None}).encode(),
        json.dumps(good | {"prompt_id": 7}).encode(),
        json.dumps(good | {"replicate": [1]}).encode(),
        json.dumps(good | {"replicate": True}).encode(),
        json.dumps(good | {"time": "now"}).encode(),
        json.dumps(good | {"left": "same"}).encode(),
        b"[" * 100_000,
    ]
    file.write_bytes(b"\n".join(lines) + b"\n")
    votes, damaged = read_votes(file)
    assert votes == [Vote("a", 0, "same", "original", 1.0)] * 2
    assert damaged == [2, 3, 4, 5, *range(7, 18)]
    add_vote(file, VOTES[0])
    assert read_votes(file) == ([*votes, VOTES[0]], damaged)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """/dev/full takes no byte."""
    with pytest.raises(DiskError, match="/dev/full: cannot be written"):
        add_vote(Path("/dev/full"), VOTES[0])
    with pytest.raises(DiskError, match="cannot be written"):
        add_vote(tmp_path, VOTES[0])


def test_behind_a_torn_line_a_vote_stands_alone(tmp_path: Path) -> None:
    file = tmp_path / "votes.jsonl"
    add_vote(file, VOTES[0])
    file.write_bytes(file.read_bytes() + b'{"prompt_id": "01')
    add_vote(file, VOTES[1])
    assert read_votes(file) == (VOTES[:2], [2])
