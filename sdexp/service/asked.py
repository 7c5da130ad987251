"""What clients send: every field bounded, every other field refused."""

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic.fields import FieldInfo

from sdexp.ground.sampling import Sampler
from sdexp.service.limits import MAX_LORA_SCALE, MAX_SEED, MIN_SIDE, SIDE_STEP

# Bounds that no settings exceed; those of the settings are checked against them too.
LONGEST_PROMPT = 100_000
LONGEST_ID = 500
MOST_PAIRS = 100


def _as_text(value: str) -> str:
    """Text that has letters; a lone half of a character pair is none."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ValueError("holds what is no text") from error
    if "\0" in value:
        raise ValueError("holds a zero byte")
    return value


def _not_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("is empty: write what the pictures are to show")
    return value


def _unique(value: list[str]) -> list[str]:
    if len(set(value)) < len(value):
        raise ValueError("names some of the weights twice")
    return value


Text = Annotated[str, Field(max_length=LONGEST_PROMPT), AfterValidator(_as_text)]
Prompt = Annotated[Text, AfterValidator(_not_blank)]
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_ID), AfterValidator(_as_text)]
Names = Annotated[list[Name], Field(min_length=1, max_length=64), AfterValidator(_unique)]
Seed = Annotated[int, Field(ge=0, le=MAX_SEED)]
Side = Annotated[int, Field(ge=MIN_SIDE, le=65536, multiple_of=SIDE_STEP)]
Steps = Annotated[int, Field(ge=1, le=1000)]
Guidance = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
Strength = Annotated[float, Field(ge=0, le=MAX_LORA_SCALE, allow_inf_nan=False)]


Count = Annotated[int, Field(ge=1, le=1000)]


def _told(description: str, *examples: object) -> FieldInfo:
    """What the OpenAPI document says of a field."""
    told: FieldInfo = Field(description=description, examples=list(examples) or None)
    return told


class Asked(BaseModel):
    """Only what is named, each of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class NoiseOf(Asked):
    """The noise that an evaluation gave to a prompt."""

    prompt_id: Annotated[str, Field(pattern="^[0-9a-f]{12}$")]
    replicate: Annotated[int, Field(ge=0, le=1000)]


class AbstractPictures(Asked):
    """What pictures and grids have in common; null is what the first run's evaluation does.

    The service may be set to narrower bounds, which GET /api/models tells.
    """

    prompt: Annotated[Prompt, _told("what the pictures show", "a big red heart")]
    models: Annotated[
        Names, _told("ids of weights, as GET /api/models names them", ["original~0dbcb0e9"])
    ]
    negative_prompt: Annotated[Text | None, _told("what the pictures do not show")] = None
    num_inference_steps: Annotated[Steps | None, _told("steps of the sampler")] = None
    guidance_scale: Annotated[
        Guidance | None, _told("how strictly by the prompt; 1: no guidance")
    ] = None
    sampler: Annotated[Sampler, Field(strict=False)] | None = None
    seed: Annotated[Seed | None, _told("of the noise; null: drawn, and told in the recipe")] = None
    lora_scale: Annotated[Strength | None, _told("strength of adapters; null: 1")] = None


class PicturesAsked(AbstractPictures):
    """Pictures of one prompt by some weights, from the same noise."""

    width: Annotated[Side | None, _told("pixels")] = None
    height: Annotated[Side | None, _told("pixels")] = None
    num_images: Annotated[Count | None, _told("by each of the weights; null: 1")] = None
    noise: Annotated[NoiseOf | None, _told("that of an evaluation; null: the seed's own")] = None


class GridAsked(AbstractPictures):
    """A sheet of blocks of four by each of the weights: the prompt among three fillers."""

    size: Annotated[Literal[2, 4, 6, 8] | None, _told("cells a side; null: 8")] = None


class BlindAsked(Asked):
    """Pairs of a run's evaluation in hidden order."""

    run: Annotated[
        Name, _told("the id of a run, as GET /api/runs names it", "2026-11-29~09-00-12_lora")
    ]
    pairs: Annotated[int, Field(ge=1, le=MOST_PAIRS)] = 10


class VoteAsked(Asked):
    """Which picture of a pair is the better one."""

    choice: Literal["left", "right", "same"]


class OlderAsked(Asked):
    """As clients of an older application ask: a negative seed is a random one."""

    prompt: Prompt
    model_type: Annotated[str, Field(max_length=LONGEST_ID)] = "fine-tuned"
    num_inference_steps: Steps = 30
    guidance_scale: Guidance = 7.5
    seed: Annotated[int, Field(ge=-(2**53), le=MAX_SEED)] = 42
