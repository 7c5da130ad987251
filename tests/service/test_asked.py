"""What clients send: bounds of every field, and nothing beside them."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from sdexp.service.asked import BlindAsked, GridAsked, OlderAsked, PicturesAsked, VoteAsked
from sdexp.service.limits import MAX_SEED

GOOD = {"prompt": "a cat", "models": ["run"]}


def test_only_prompt_and_models_are_needed() -> None:
    asked = PicturesAsked(**GOOD)
    optional = asked.model_dump(exclude={"prompt", "models"})
    assert set(optional.values()) == {None}


@pytest.mark.parametrize(
    "field, value",
    [
        ("prompt", ""),
        ("prompt", "  \n"),
        ("prompt", "x" * 100_001),
        ("prompt", "\ud800"),
        ("prompt", "a\0b"),
        ("prompt", 7),
        ("prompt", None),
        ("negative_prompt", "\udfff"),
        ("models", []),
        ("models", ["run", "run"]),
        ("models", "run"),
        ("models", [""]),
        ("models", ["x"] * 65),
        ("num_inference_steps", -1),
        ("num_inference_steps", 0),
        ("num_inference_steps", 10**9),
        ("num_inference_steps", 2.5),
        ("num_inference_steps", "20"),
        ("num_inference_steps", True),
        ("guidance_scale", float("nan")),
        ("guidance_scale", float("inf")),
        ("guidance_scale", 1e30),
        ("guidance_scale", -0.1),
        ("sampler", "best"),
        ("seed", -1),
        ("seed", 2**80),
        ("width", 0),
        ("width", -8),
        ("width", 65),
        ("height", 10**6),
        ("num_images", 0),
        ("num_images", 10**6),
        ("lora_scale", -0.5),
        ("lora_scale", float("nan")),
        ("noise", {"prompt_id": "../../etc", "replicate": 0}),
        ("noise", {"prompt_id": "0123456789ab", "replicate": -1}),
        ("noise", {"prompt_id": "0123456789ab"}),
        ("path", "/etc/passwd"),
        ("lora_path", "x"),
    ],
)
def test_what_is_out_of_bounds_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        PicturesAsked(**(GOOD | {field: value}))
    assert caught.value.errors()[0]["loc"][0] == field


def test_the_bounds_themselves_are_allowed() -> None:
    asked = PicturesAsked(**GOOD, seed=MAX_SEED, guidance_scale=0, width=64, sampler="euler_a")
    assert asked.seed == MAX_SEED and asked.guidance_scale == 0 and str(asked.sampler) == "euler_a"


def test_older_clients_have_their_defaults() -> None:
    asked = OlderAsked(prompt="a cat")
    assert asked.model_dump() == {
        "prompt": "a cat",
        "model_type": "fine-tuned",
        "num_inference_steps": 30,
        "guidance_scale": 7.5,
        "seed": 42,
    }
    assert OlderAsked(prompt="a cat", seed=-1).seed == -1


def test_grids_votes_and_pairs_take_few_values() -> None:
    assert GridAsked(**GOOD, size=4).size == 4 and GridAsked(**GOOD).size is None
    for kind, values in (
        (GridAsked, GOOD | {"size": 3}),
        (VoteAsked, {"choice": "finetuned"}),
        (BlindAsked, {"run": "x", "pairs": 101}),
    ):
        with pytest.raises(ValidationError):
            kind(**values)


def test_the_schema_tells_bounds_and_refuses_the_rest() -> None:
    schema = PicturesAsked.model_json_schema()
    assert schema["additionalProperties"] is False
    assert '"maximum": 1000' in json.dumps(schema["properties"]["num_inference_steps"])
