import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sdexp.engine.generate.llm import ask_for_prompts, read_prompts
from sdexp.ground import web
from sdexp.ground.endpoint import Endpoint
from sdexp.ground.errors import DataError
from tests.web import NOBODY, Answer, server


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "PAUSE", 0.001)


def chat(text: str) -> Answer:
    """An answer as such servers give it."""
    body = {"choices": [{"message": {"role": "assistant", "content": text}}]}
    return 200, {"content-type": "application/json"}, json.dumps(body).encode()


def asked(answers: Callable[[dict[str, Any]], Answer], count: int, key: str = "") -> list[str]:
    """What comes of a server; `answers` sees the request's body."""
    with server(lambda path, body: answers(json.loads(body))) as address:
        return ask_for_prompts(Endpoint(f"{address}/v1/", "small", key), count)


def test_lines_are_read_whatever_stands_around_them() -> None:
    said = """Here are the prompts:
    1. a red fox in snow
    2) "a blue door in a wall"
    - **an old clock on a shelf**
    * a spiral galaxy, seen from above
    ```
    fox
    """
    assert asked(lambda body: chat(said), 4) == [
        "a red fox in snow",
        "a blue door in a wall",
        "an old clock on a shelf",
        "a spiral galaxy, seen from above",
    ]


def test_a_list_of_json_is_read_too() -> None:
    said = '```json\n["a red fox", "a blue door", 3, "x"]\n```'
    assert asked(lambda body: chat(said), 2) == ["a red fox", "a blue door"]


def test_what_lacks_is_asked_for_again_and_nothing_comes_twice() -> None:
    bodies: list[dict[str, Any]] = []
    answers = iter(["a red fox\nA Red Fox\na blue door", "a blue door\nan old clock"])

    def told(body: dict[str, Any]) -> Answer:
        bodies.append(body)
        return chat(next(answers))

    assert asked(told, 3) == ["a red fox", "a blue door", "an old clock"]
    assert [body["model"] for body in bodies] == ["small", "small"]
    first, second = (body["messages"][0]["content"] for body in bodies)
    assert first.startswith("Write 3 short prompts") and "cityscape" in first
    assert second.startswith("Write 1 short prompts") and second.endswith("a red fox\na blue door")


def test_a_model_that_has_no_more_to_say_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert asked(lambda body: chat("a red fox\na blue door"), 9) == ["a red fox", "a blue door"]
    assert capsys.readouterr().out == "small gave 2 of 9 prompts; they come again\n"


def test_a_busy_server_is_waited_for() -> None:
    codes = [429, 503]

    def told(body: dict[str, Any]) -> Answer:
        return (codes.pop(), {}, b"") if codes else chat("a red fox")

    assert asked(told, 1) == ["a red fox"]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ((200, {}, b"<html>"), "the answer is no chat completion"),
        ((200, {}, b'{"choices": []}'), "the answer is no chat completion"),
        ((200, {}, b'{"choices": [{"message": {"content": null}}]}'), "no chat completion"),
        (chat("I cannot help with that:"), "gave no prompt"),
        ((401, {}, b""), "chat/completions: HTTP 401"),
    ],
)
def test_nonsense_is_told_in_a_line(answer: Answer, told: str) -> None:
    with pytest.raises(DataError, match=told) as caught:
        asked(lambda body: answer, 2)
    assert "\n" not in str(caught.value)


def test_nobody_and_a_server_that_hangs_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no connection"):
        ask_for_prompts(Endpoint(NOBODY, "small", ""), 2)
    monkeypatch.setattr(web, "SECONDS", 0.1)
    ended = threading.Event()

    def hang(body: dict[str, Any]) -> Answer:
        ended.wait(5)
        return chat("a red fox")

    with pytest.raises(DataError, match="timed out"):
        asked(hang, 2)
    ended.set()


def test_a_key_goes_to_the_server_only() -> None:
    with server(lambda path, body: (401, {}, b"")) as address:
        where = Endpoint(address.replace("//", "//me:password@"), "small", "secret")
        with pytest.raises(DataError) as caught:
            ask_for_prompts(where, 1)
    told = str(caught.value)
    assert "secret" not in told and "password" not in told and "HTTP 401" in told


@pytest.mark.parametrize(
    "said",
    [
        "I'm sorry, I can't help with that.",
        "I\u2019m sorry, I can\u2019t help with that.",
        "Sure! Here are 3 prompts for you",
        "<think>\nOkay, the user wants prompts.\na red fox in snow\n</think>",
        "<think>\nunfinished thoughts about a fox",
        "## Prompts",
        "Animals:",
    ],
)
def test_talk_is_no_prompt(said: str) -> None:
    assert read_prompts(said) == []


@pytest.mark.parametrize(
    ("said", "prompts"),
    [
        ('[{"prompt": "a red fox in snow"}, {"kind": "x", "text": "a blue door"}]', None),
        ("a red fox in snow [1]\na blue door", ["a red fox in snow [1]", "a blue door"]),
        (
            "\u96ea\u5730\u91cc\u7684\u7ea2\u72d0\u72f8",
            ["\u96ea\u5730\u91cc\u7684\u7ea2\u72d0\u72f8"],
        ),
    ],
)
def test_usual_answers_are_read(said: str, prompts: list[str] | None) -> None:
    assert read_prompts(said) == (prompts or ["a red fox in snow", "a blue door"])
