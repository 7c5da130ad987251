"""`votes.jsonl`: what people chose who did not know which picture was whose, a line each."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from sdexp.ground.files import disk_faults

Choice: TypeAlias = Literal["original", "finetuned", "same"]
CHOICES: tuple[Choice, ...] = get_args(Choice)


@dataclass(frozen=True)
class Vote:
    """left: whose picture was on the left side; time: seconds since 1970."""

    prompt_id: str
    replicate: int
    choice: Choice
    left: Choice
    time: float


def add_vote(file: Path, vote: Vote) -> None:
    """Write a vote behind the others, on a line of its own; raises `DiskError`."""
    with disk_faults(file), file.open("ab+") as stream:
        is_torn = stream.tell() > 0 and not file.read_bytes().endswith(b"\n")
        line = f"{json.dumps(asdict(vote))}\n".encode()
        stream.write(b"\n" + line if is_torn else line)


def read_votes(file: Path) -> tuple[list[Vote], list[int]]:
    """All votes, and the numbers of lines, from 1, that are none."""
    lines = file.read_bytes().splitlines() if file.is_file() else []
    found = [_vote(line) for line in lines]
    damaged = [number for number, vote in enumerate(found, start=1) if vote is None]
    return [vote for vote in found if vote is not None], damaged


def _vote(line: bytes) -> Vote | None:
    try:
        vote = Vote(**json.loads(line))
    except (ValueError, TypeError, RecursionError):
        return None
    is_known = vote.choice in CHOICES and vote.left in ("original", "finetuned")
    has_types = isinstance(vote.prompt_id, str) and type(vote.replicate) is int
    return vote if is_known and has_types and isinstance(vote.time, int | float) else None
