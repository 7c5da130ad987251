"""What the OpenAPI document tells of answers."""

from typing import Any

from pydantic import BaseModel, Field

Responses = dict[int | str, dict[str, Any]]


class Fault(BaseModel):
    """Why a request was not done."""

    detail: str = Field(examples=["num_inference_steps=500: allowed are at most 100"])


def errors(*statuses: int) -> Responses:
    """Faults of these kinds, each one line in `detail`."""
    return {status: {"model": Fault} for status in statuses}


def example(status: int, value: object) -> Responses:
    """An answer of JSON, shown by one."""
    content = {"application/json": {"example": value}}
    return {status: {"description": "an example", "content": content}}


def png(description: str) -> Responses:
    """An answer that is a picture."""
    return {200: {"description": description, "content": {"image/png": {}}}}


JOB = {
    "id": "3h0Xk2pQ9bLr1wZa",
    "kind": "pictures",
    "status": "running",
    "detail": None,
    "position": 0,
    "recipe": {
        "prompt": "a big red heart",
        "models": ["original~0dbcb0e9", "2026-11-29~09-00-12_lora-pocket_7f3a"],
        "negative_prompt": "",
        "num_inference_steps": 20,
        "guidance_scale": 2.0,
        "sampler": "ddim",
        "seed": 7,
        "lora_scale": 1.0,
        "width": 64,
        "height": 64,
        "num_images": 1,
        "noise": None,
    },
    "progress": {
        "picture": 1,
        "pictures": 2,
        "model": "2026-11-29~09-00-12_lora-pocket_7f3a",
        "step": 12,
        "steps": 20,
    },
    "pictures": [
        {
            "index": 0,
            "model": "original~0dbcb0e9",
            "seed": 7,
            "url": "/api/jobs/3h0Xk2pQ9bLr1wZa/pictures/0.png",
            "width": 64,
            "height": 64,
            "sha256": "5f3c0f1e...",
            "from_store": False,
            "withheld": False,
            "clip_score": 22.9,
            "drift": None,
            "differs": None,
        }
    ],
    "judges": {"clip_score": "pocket-clip", "drift": "alexnet"},
    "seconds": 1.2,
}
