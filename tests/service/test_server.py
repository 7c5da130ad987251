"""The whole application: pages, errors, and what strangers try."""

import asyncio
import json
import random
from pathlib import Path
from typing import Any

import httpx
import pytest

from sdexp.ground.errors import ConfigError
from sdexp.service.house import House
from sdexp.service.server import STATIC, TOKEN, make_house, token_of
from tests.service.houses import at_work, client_of, house_of, run_of, settings, told_process

ALLOWED = (400, 403, 404, 405, 409, 413, 422, 503)
PROMPTS = [
    "", " ", "\0", "x" * 1001, "x" * 60_000, "\u202ertl", "😀" * 500, "\ud800", "{}${PATH}",
    "<script>alert(1)</script>", "../../etc/passwd", "'; DROP TABLE runs; --", "-rf", "CON", None,
    7, 1e308, True, [], {}, ["a"],
]  # fmt: skip
NUMBERS = [
    -1, 0, 1, 17, 10**9, 2**63, 2**80, -(2**80), 0.5, 1e30, -0.0, "1", None, True, [], {},
    float("nan"), float("inf"), float("-inf"),
]  # fmt: skip
NAMES = [
    "run", "../run", "/etc/passwd", "http://evil.example/x", "run\0", "run/../run", "C:\\run",
    "x" * 600, "", "\ud800", "original", "original~0", "run@", "run@99", "run@../x", 7, None,
]  # fmt: skip
PATHS = [
    "/../../etc/passwd", "/static/../server.py", "/static/%2e%2e/server.py", "/static/%00",
    "/static/..%2fserver.py", "/api/jobs/../../x", "/api/jobs/%2e%2e", "/api/jobs/x/pictures/",
    "/api/jobs/x/pictures/..%2f0.png", "/api/runs/run/../../etc/passwd", "/api/runs/%2e%2e/report",
    "/api/runs/run/weights/some.safetensors", "/api/runs/run/config.yaml%00.png",
    "/api/runs/run//etc/passwd", "/api/blind/x/left.png", "/api/blind/x/middle.png", "/api/nothing",
    "/.git/config", "/api/runs/run/images/../config.yaml", "//evil.example/", "/api/runs/x/curves",
]  # fmt: skip


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> House:
    told_process(monkeypatch)
    run_of(tmp_path, "run")
    return house_of(tmp_path)


def asked(house: House, *requests: tuple[str, str, dict[str, Any]]) -> list[httpx.Response]:
    async def play() -> list[httpx.Response]:
        async with client_of(house) as client:
            return [await client.request(method, path, **more) for method, path, more in requests]

    return asyncio.run(play())


def test_people_get_a_page_and_programs_a_message(house: House) -> None:
    page, message, style, docs, schema = asked(
        house,
        ("GET", "/", {"headers": {"accept": "text/html,*/*"}}),
        ("GET", "/", {}),
        ("GET", "/static/style.css", {}),
        ("GET", "/api/docs", {}),
        ("GET", "/api/openapi.json", {}),
    )
    assert page.content == (STATIC / "index.html").read_bytes()
    assert message.json()["message"].startswith("sdexp")
    assert style.headers["content-type"].startswith("text/css")
    assert docs.headers["content-type"].startswith("text/html")
    assert "/api/generate" in schema.json()["paths"]
    example = json.dumps(schema.json()["components"]["schemas"]["PicturesAsked"])
    assert "a big red heart" in example


def test_no_file_of_the_page_asks_for_anything_from_elsewhere() -> None:
    for file in STATIC.iterdir():
        text = file.read_text().replace("http://www.w3.org/2000/svg", "")
        for sign in ("http://", "https://", "//cdn", "@import", "eval("):
            assert sign not in text, f"{file.name}: {sign}"


def test_an_error_is_one_line(house: House) -> None:
    for method, path, more in (
        ("GET", "/api/nothing", {}),
        ("PUT", "/api/generate", {}),
        ("POST", "/api/generate", {"content": b"{"}),
        ("POST", "/api/generate", {"json": {"prompt": "a cat"}}),
        ("POST", "/api/generate", {"json": {"prompt": "a cat", "models": ["run"], "path": "x"}}),
        ("GET", "/api/jobs/x", {}),
        ("DELETE", "/api/jobs/x", {}),
    ):
        (answer,) = asked(house, (method, path, more))
        assert answer.status_code in ALLOWED
        assert list(answer.json()) == ["detail"] and "\n" not in answer.json()["detail"]


def hostile(count: int) -> list[tuple[str, str, dict[str, Any]]]:
    """Requests that nobody well-meaning sends, the same at every call."""
    draw = random.Random(0)
    requests: list[tuple[str, str, dict[str, Any]]] = [("GET", path, {}) for path in PATHS]
    fields = ("num_inference_steps", "guidance_scale", "seed", "width", "height", "num_images")
    while len(requests) < count:
        body: dict[str, Any] = {"prompt": "a cat", "models": ["run"]}
        kind = draw.randrange(5)
        if kind == 0:
            body["prompt"] = draw.choice(PROMPTS)
        elif kind == 1:
            body["models"] = [draw.choice(NAMES)]
        elif kind == 2:
            body[draw.choice(fields)] = draw.choice(NUMBERS)
        elif kind == 3:
            body |= {"lora_path": "/etc/passwd", "noise": draw.choice([{}, "x", NUMBERS])}
        else:
            body = draw.choice([[], "x", None, 7, {"prompt": {}}, {"models": {}}])  # type: ignore[assignment]
        path = draw.choice(["/api/generate", "/api/grid", "/generate/", "/generate", "/api/blind"])
        headers = {"content-type": draw.choice(["application/json", "text/plain", "", "x/y; z"])}
        requests.append(("POST", path, {"content": json.dumps(body), "headers": headers}))
    return requests


def test_strangers_are_refused_and_nothing_of_them_is_kept(house: House) -> None:
    root = house.catalogue.root
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}

    async def play() -> list[httpx.Response]:
        answers = []
        async with at_work(house), client_of(house) as client:
            for method, path, more in hostile(300):
                answer = await client.request(method, path, **more)
                answers.append(answer)
                if answer.status_code == 202:
                    await client.delete(answer.headers["location"])
            assert (await client.get("/api/health")).status_code == 200
        return answers

    answers = asyncio.run(play())
    statuses = {answer.status_code for answer in answers}
    assert statuses <= {200, 202, *ALLOWED} and {404, 422} <= statuses
    for answer in answers:
        if answer.status_code not in (200, 202):
            assert list(answer.json()) == ["detail"]
            for sign in ("Traceback", "site-packages", str(root), "root:x:", ".py"):
                assert sign not in answer.text
    after = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    assert after == before


def test_it_is_open_to_others_only_with_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    assert token_of(settings()) is None
    with pytest.raises(ConfigError, match="host=0.0.0.0: others could use this machine"):
        token_of(settings("host=0.0.0.0"))
    for bad in ("short", "sixteen letters!", "a;b=c, d e f g h i j"):
        monkeypatch.setenv(TOKEN, bad)
        with pytest.raises(ConfigError, match="16 or more"):
            token_of(settings())
    monkeypatch.setenv(TOKEN, "0123456789abcdef")
    assert token_of(settings("host=0.0.0.0")) == "0123456789abcdef"


def test_a_house_knows_its_runs_at_once(tmp_path: Path) -> None:
    run_of(tmp_path, "run")
    assert make_house(settings(), tmp_path).run("run").id == "run"
