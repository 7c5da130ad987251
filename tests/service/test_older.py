"""Clients of two older applications, as their code asks."""

import io
import json
import threading
import time
from contextlib import suppress

import httpx
from PIL import Image

from tests.service.serving import Served

PROMPT = "A cat sitting on a windowsill"


def ask_json(served: Served, **asked: object) -> httpx.Response:
    """As a page of Streamlit did: JSON to /generate/, with a time-out of 300 seconds."""
    body = {"prompt": PROMPT, "num_inference_steps": 10, "guidance_scale": 7.5, **asked}
    return httpx.post(f"{served.address}/generate/", json=body, timeout=300)


def opened(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    return Image.open(io.BytesIO(answer.content))


def test_json_gets_a_picture_of_either_model(served: Served) -> None:
    pictures = {
        name: opened(ask_json(served, model_type=name, seed=42))
        for name in ("original", "fine-tuned")
    }
    assert pictures["original"].tobytes() != pictures["fine-tuned"].tobytes()
    recipes = {name: json.loads(one.info["sdexp"]) for name, one in pictures.items()}
    assert recipes["original"]["weights"] == "original"
    assert recipes["fine-tuned"]["weights"] == "finetuned"
    for recipe in recipes.values():
        assert recipe["noise"] == [42] and recipe["guidance_scale"] == 7.5
    # Its defaults are the fine-tuned model and the seed 42.
    assert opened(ask_json(served)).tobytes() == pictures["fine-tuned"].tobytes()


def test_a_negative_seed_is_a_random_one_that_is_told(served: Served) -> None:
    first = ask_json(served, seed=-1)
    again = ask_json(served, seed=int(first.headers["x-seed"]))
    assert opened(first).tobytes() == opened(again).tobytes()


def test_a_wrong_model_type_is_a_bad_request(served: Served) -> None:
    answer = ask_json(served, model_type="best")
    assert answer.status_code == 400 and "fine-tuned and original" in answer.json()["detail"]
    assert ask_json(served, prompt=" ").status_code == 422


def test_a_form_gets_a_picture(served: Served) -> None:
    """As a page of Flask did: the field `prompt`, in either encoding, to /generate."""
    address = f"{served.address}/generate"
    for sent in ({"data": {"prompt": PROMPT}}, {"files": {"prompt": (None, PROMPT)}}):
        answer = httpx.post(address, timeout=300, **sent)  # type: ignore[arg-type]
        recipe = json.loads(opened(answer).info["sdexp"])
        assert recipe["num_inference_steps"] == 30 and recipe["guidance_scale"] == 7.5
        assert recipe["noise"] == [int(answer.headers["x-seed"])]
    assert httpx.post(address, data={}).status_code == 422
    assert httpx.post(address, data={"prompt": " "}).status_code == 422


def test_its_page_may_look_whether_we_are_there(served: Served) -> None:
    assert "message" in httpx.get(served.address).json()


def test_a_client_that_has_gone_ends_its_job_within_a_step(served: Served) -> None:
    """The process is at work on it, and told of every step."""
    body = {"prompt": "slow", "num_inference_steps": 100, "seed": -1}
    client = served.client
    began = time.monotonic()
    with suppress(httpx.TimeoutException):
        httpx.post(f"{served.address}/generate/", json=body, timeout=0.3)
    asked = {"prompt": "quick", "models": ["lora"], "num_inference_steps": 1, "seed": 0}
    job = client.post("/api/generate", json=asked).json()
    while (told := client.get(f"/api/jobs/{job['id']}").json())["status"] == "queued":
        time.sleep(0.02)
    assert told["status"] in ("running", "finished")
    # A hundred steps take longer.
    assert time.monotonic() - began < 1.5


def test_clients_that_have_gone_end_their_jobs(served: Served) -> None:
    """It asked for minutes of work; the next one has its picture at once."""

    def leave() -> None:
        body = {"prompt": "slow", "num_inference_steps": 100, "seed": -1}
        with suppress(httpx.TimeoutException):
            httpx.post(f"{served.address}/generate/", json=body, timeout=0.6)

    leavers = [threading.Thread(target=leave) for _ in range(12)]
    for leaver in leavers:
        leaver.start()
    for leaver in leavers:
        leaver.join()
    began = time.monotonic()
    opened(ask_json(served, seed=7))
    # All of them together would have taken 12 times 100 steps.
    assert time.monotonic() - began < 6
