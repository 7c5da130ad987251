"""The API of pictures, as clients use it."""

import hashlib
import io
import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sdexp.ground.rows import read_rows
from sdexp.ground.run import RunFolder
from tests.service.serving import Served, finished

PROMPT = "a big red heart"


def models(served: Served) -> dict[str, Any]:
    return {one["id"]: one for one in served.client.get("/api/models").json()["models"]}


def original(served: Served) -> str:
    return next(name for name, one in models(served).items() if one["kind"] == "original")


def made(served: Served, **asked: Any) -> dict[str, Any]:
    client = served.client
    answer = client.post("/api/generate", json={"prompt": PROMPT, **asked})
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/api/jobs/{answer.json()['id']}"
    return finished(client, answer.json())


def png(served: Served, picture: dict[str, Any]) -> bytes:
    return served.client.get(picture["url"]).content


def test_it_lists_what_can_be_served_and_why_not(served: Served) -> None:
    found = models(served)
    base = original(served)
    assert {"lora", "lora@2", "unet", "unet@2", base} <= found.keys()
    assert found["lora"]["has_strength"] and not found["unet"]["has_strength"]
    for name in ("lora", "unet"):
        applied = found[name]["applied"]
        assert applied["applied"] > 0 and applied["missing"] == applied["unexpected"] == 0
        assert f"{applied['applied']} of {applied['applied']} tensors" in found[name]["badge"]
        assert found[name]["original"] == base and found[name]["steps"] == 4
    assert found["lora"]["scores"]["primary"] == "kid" and found["unet"]["scores"] is None
    refused = {name: one["refused"] for name, one in found.items() if one["refused"]}
    of_changed = found["changed"]["original"]
    assert of_changed != base
    # The weights of its checkpoint are made when somebody asks for them, and looked at then.
    assert set(refused) == {"empty", "foreign", "changed", of_changed}
    assert "no tensor was applied" in refused["empty"]
    assert "another model" in refused["foreign"]
    assert "the original changed since the training" in refused["changed"]
    assert str(served.root) not in json.dumps(found)


@pytest.mark.parametrize("name", ["empty", "foreign", "changed"])
def test_weights_that_are_refused_make_no_picture(served: Served, name: str) -> None:
    answer = served.client.post("/api/generate", json={"prompt": PROMPT, "models": [name]})
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith(f"{name}: ")


def test_a_checkpoint_of_an_original_that_changed_makes_no_picture(served: Served) -> None:
    job = made(served, models=["changed@2"])
    assert job["status"] == "failed" and not job["pictures"]
    assert "the original changed since the training" in job["detail"]


def test_a_request_is_made_of_the_same_noise_and_judged(served: Served) -> None:
    base = original(served)
    job = made(served, models=["lora", base], seed=5, num_images=2)
    assert job["status"] == "finished" and job["recipe"]["seed"] == 5
    told = [(p["model"], p["seed"]) for p in job["pictures"]]
    assert told == [(base, 5), (base, 6), ("lora", 5), ("lora", 6)]
    for picture in job["pictures"]:
        pixels = np.asarray(Image.open(io.BytesIO(png(served, picture))))
        assert hashlib.sha256(pixels.tobytes()).hexdigest() == picture["sha256"]
        assert pixels.shape == (64, 64, 3)
        is_original = picture["model"] == base
        assert (picture["drift"] is None) == (picture["differs"] is None) == is_original
        assert -100 <= picture["clip_score"] <= 100
    assert all(p["drift"] > 0 and p["differs"] for p in job["pictures"][2:])
    assert job["judges"] == {"clip_score": "pocket-clip", "drift": "alexnet"}
    again = made(served, models=["lora", base], seed=5, num_images=2)
    assert all(picture["from_store"] for picture in again["pictures"])
    assert [p["sha256"] for p in again["pictures"]] == [p["sha256"] for p in job["pictures"]]


def test_a_seed_that_is_drawn_is_told(served: Served) -> None:
    first = made(served, models=["lora"])
    second = made(served, models=["lora"], seed=first["recipe"]["seed"])
    assert first["pictures"][0]["sha256"] == second["pictures"][0]["sha256"]
    assert made(served, models=["lora"])["recipe"]["seed"] != first["recipe"]["seed"]


def test_a_recipe_can_be_asked_for_again_as_it_is(served: Served) -> None:
    job = made(
        served, models=["lora"], seed=1, width=72, height=64, lora_scale=0.5, sampler="euler"
    )
    again = finished(served.client, served.client.post("/api/generate", json=job["recipe"]).json())
    assert again["recipe"] == job["recipe"]
    assert again["pictures"][0]["sha256"] == job["pictures"][0]["sha256"]
    assert (job["pictures"][0]["width"], job["pictures"][0]["height"]) == (72, 64)


def test_strength_0_is_the_original_and_whole_networks_have_none(served: Served) -> None:
    base = original(served)
    plain = made(served, models=[base, "lora"], seed=2, lora_scale=0, num_inference_steps=2)
    assert plain["pictures"][1]["differs"] is False and plain["pictures"][1]["drift"] == 0
    answer = served.client.post(
        "/api/generate", json={"prompt": PROMPT, "models": ["unet"], "lora_scale": 0.5}
    )
    assert answer.status_code == 422 and "adapters" in answer.json()["detail"]


def test_pictures_are_those_of_the_command_and_of_the_evaluation(served: Served) -> None:
    """The same recipe gives the same file by each way."""
    base = original(served)
    run = RunFolder(served.root / "lora")
    command = [
        sys.executable, "-m", "sdexp.generate", f"run={run.path}", f"prompt={PROMPT}", "seeds=[9]",
        "sampler=euler_a", "num_inference_steps=3", "guidance_scale=4",
    ]  # fmt: skip
    # A store of its own: the picture is made a second time.
    environment = os.environ | {"SDEXP_STORE": f"{served.store}-other"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (folder,) = run.generated.iterdir()
    job = made(
        served,
        models=[base, "lora"],
        seed=9,
        sampler="euler_a",
        num_inference_steps=3,
        guidance_scale=4,
    )
    for picture, name in zip(job["pictures"], ("original", "finetuned"), strict=True):
        assert png(served, picture) == (folder / f"{name}_9.png").read_bytes()
    asked = served.client.get("/api/runs/lora/prompts").json()["prompts"][0]
    rows = [r for r in read_rows(run.per_image) if r.prompt_id == asked["noise"]["prompt_id"]]
    job = made(served, models=[base, "lora"], **asked)
    for picture, model in zip(job["pictures"], ("original", "finetuned"), strict=True):
        (row,) = [row for row in rows if row.model == model]
        assert picture["sha256"] == row.pixel_sha256 and picture["from_store"]
    # Made, not looked up: with other weights in between, a batch of one gives the same bits.
    (run.path / rows[1].path).rename(run.path / "hidden.png")
    job = made(served, models=["lora"], **asked)
    (run.path / "hidden.png").rename(run.path / rows[1].path)
    assert not job["pictures"][0]["from_store"]
    assert job["pictures"][0]["sha256"] == rows[1].pixel_sha256
