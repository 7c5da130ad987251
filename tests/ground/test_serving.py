import json

import pytest

from sdexp.ground.applied import Applied
from sdexp.ground.sampling import Sampling
from sdexp.ground.serving import (
    KINDS,
    Cancel,
    CannotStart,
    Ended,
    Made,
    MakeGrid,
    MakePictures,
    Message,
    ModelsSettings,
    PreviewShown,
    Progress,
    Prove,
    Proved,
    Ready,
    Shot,
    Weights,
    as_bytes,
    as_text,
    decode,
    encode,
)

WEIGHTS = Weights('/runs/"a"\n\\', "checkpoint", "000400")
SAMPLING = Sampling("euler_a", 20, 7.5, "ugly, ärmlich \u2028", 64, 96)
SHOTS = [
    Shot(WEIGHTS, 0.1, "a\nbig \U0001f496 heart\r\n", 2**53 + 1, ("0123456789ab", 3), SAMPLING),
    Shot(Weights("/runs/b", "original"), 1.0, "", 0, ("generate", 0), SAMPLING),
]
MADE = Made("j", 1, "iVBO", "0" * 64, True, False, 1 / 3, "clip", 1e-17, "alexnet", False)
MESSAGES: list[Message] = [
    ModelsSettings("auto", 1.5, "a/b"),
    ModelsSettings("cpu", None, None),
    Prove(WEIGHTS),
    MakePictures("job 1", SHOTS),
    MakePictures("", []),
    MakeGrid("j", SHOTS, 8, 140),
    Cancel("j"),
    Ready("cuda:0", 2**40),
    CannotStart("device=mps: this machine has none"),
    Proved(WEIGHTS, Applied(3, 2, ("a.b",), ("c", "d")), True, None),
    Proved(WEIGHTS, None, False, "line\nline"),
    Progress("j", 0, 2, 1, 20),
    PreviewShown("j", 0, "iVBO"),
    MADE,
    Made("j", 0, "", "", False, True, None, None, None, None, None),
    Ended("j", "failed", "out of memory"),
    Ended("j", "cancelled"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_is_one_line_and_comes_out_as_it_went_in(message: Message) -> None:
    line = encode(message)
    assert line.endswith(b"\n") and len(line.splitlines()) == 1 and line.isascii()
    found = decode(line)
    assert found == message and type(found) is type(message)
    assert encode(found) == line


def test_every_kind_is_among_them() -> None:
    assert {type(message).__name__ for message in MESSAGES} == set(KINDS)


def test_what_another_tells_is_checked() -> None:
    """As a line of plain JSON, which no one needs `encode` for."""
    line = {"is": "Ended", "job": "j", "status": "finished", "reason": None}
    assert decode(json.dumps(line).encode()) == Ended("j", "finished")
    for wrong in ({"status": "lost"}, {"job": 3}, {"job": None}):
        with pytest.raises(ValueError, match="validation error"):
            decode(json.dumps(line | wrong).encode())
    with pytest.raises(KeyError):
        decode(json.dumps(line | {"is": "Nothing"}).encode())


def test_files_are_text_on_the_way() -> None:
    data = bytes(range(256))
    assert as_text(b"\x89PNG\r\n") == "iVBORw0K"
    assert as_text(data).isascii() and as_bytes(as_text(data)) == data
