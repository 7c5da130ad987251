"""What a service and the process that owns its models say to each other, a line of JSON each."""

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from sdexp.ground.applied import Applied
from sdexp.ground.sampling import Sampling
from sdexp.ground.store import digest

if TYPE_CHECKING:
    from pydantic import TypeAdapter

WeightsKind: TypeAlias = Literal["original", "run", "checkpoint", "export"]
End: TypeAlias = Literal["finished", "failed", "cancelled"]


@dataclass(frozen=True)
class ModelsSettings:
    """What the process is started with.

    memory_gb: for all models, None for half of what is free; safety_checker: its weights, or None.
    """

    device: str
    memory_gb: float | None
    safety_checker: str | None


@dataclass(frozen=True)
class Weights:
    """Weights that belong to a run: its original's, its own, or those of a step or an export.

    run: the path of its folder; name: the step of a checkpoint, the folder of an export.
    """

    run: str
    kind: WeightsKind
    name: str = ""


def original_key(prints: Mapping[str, str], model: object) -> str:
    """Equal for runs of equal originals, as far as their records tell.

    prints: the fingerprints that a run has recorded; model: its recipe, where there are none.
    """
    return digest(json.dumps(dict(prints), sort_keys=True) if prints else repr(model))


@dataclass(frozen=True)
class Shot:
    """A picture to be made; noise: the key of its stream behind the seed."""

    weights: Weights
    strength: float
    prompt: str
    seed: int
    noise: tuple[str, int]
    sampling: Sampling


@dataclass(frozen=True)
class Prove:
    """Find out whether weights can be served."""

    weights: Weights


@dataclass(frozen=True)
class MakePictures:
    """Make pictures one after the other, and score them."""

    job: str
    shots: list[Shot]


@dataclass(frozen=True)
class MakeGrid:
    """Make a grid of blocks of four by each of the weights: a shot's prompt among fillers.

    size: cells a side; cell: pixels of a cell.
    """

    job: str
    shots: list[Shot]
    size: int
    cell: int


@dataclass(frozen=True)
class Cancel:
    """Leave a job at the next step."""

    job: str


@dataclass(frozen=True)
class Ready:
    """The process can take orders; free_bytes: memory for what a picture needs beside weights."""

    device: str
    free_bytes: int


@dataclass(frozen=True)
class CannotStart:
    """The process ends, because it was started wrongly."""

    reason: str


@dataclass(frozen=True)
class Proved:
    """Weights that can be served, or why not; applied: None for an original."""

    weights: Weights
    applied: Applied | None
    has_strength: bool
    refused: str | None


@dataclass(frozen=True)
class Progress:
    """Picture number `picture` of `pictures` is at `step` of `steps`."""

    job: str
    picture: int
    pictures: int
    step: int
    steps: int


@dataclass(frozen=True)
class PreviewShown:
    """A guess of what a picture will be; png: the file in base64."""

    job: str
    picture: int
    png: str


@dataclass(frozen=True)
class Made:
    """A picture: its file in base64 and what is known of it.

    sha256: of the pixels; withheld: whether the safety checker had it, or some of it, blackened;
    clip_score: 100 x cosine with its prompt by `scorer`; drift: LPIPS from the picture that the
    original made of the same noise in this job, by `drift_judge`; differs: whether the two are
    other pictures. None where there is no such thing.
    """

    job: str
    picture: int
    png: str
    sha256: str
    from_store: bool
    withheld: bool
    clip_score: float | None
    scorer: str | None
    drift: float | None
    drift_judge: str | None
    differs: bool | None


@dataclass(frozen=True)
class Ended:
    """A job is over; reason: why it failed."""

    job: str
    status: End
    reason: str | None = None


Order: TypeAlias = Prove | MakePictures | MakeGrid | Cancel
Report: TypeAlias = Ready | CannotStart | Proved | Progress | PreviewShown | Made | Ended
Message: TypeAlias = ModelsSettings | Order | Report
KINDS = {
    kind.__name__: kind
    for kind in (
        ModelsSettings,
        Prove,
        MakePictures,
        MakeGrid,
        Cancel,
        Ready,
        CannotStart,
        Proved,
        Progress,
        PreviewShown,
        Made,
        Ended,
    )
}


def as_text(png: bytes) -> str:
    """A file as a message holds it."""
    return base64.b64encode(png).decode()


def as_bytes(png: str) -> bytes:
    """The file that a message holds."""
    return base64.b64decode(png)


def encode(message: Message) -> bytes:
    """A line, with its end."""
    return json.dumps({"is": type(message).__name__, **asdict(message)}).encode() + b"\n"


def decode(line: bytes) -> Message:
    """What `encode` wrote."""
    values: Mapping[str, Any] = json.loads(line)
    name = values["is"]
    message: Message = _adapter(name).validate_python(
        {key: value for key, value in values.items() if key != "is"}
    )
    return message


@cache
def _adapter(name: str) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(KINDS[name])
