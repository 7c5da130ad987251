"""Prompts from a language model behind any endpoint that speaks OpenAI's chat protocol."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from typing import Any

from sdexp.engine.generate.templates import categories
from sdexp.ground.errors import ConfigError, DataError
from sdexp.ground.progress import say
from sdexp.ground.web import NoAnswer, answer

BASE_URL = "OPENAI_BASE_URL"
MODEL = "OPENAI_MODEL"
API_KEY = "OPENAI_API_KEY"
SECONDS = 60.0
# How often is asked for what is still lacking.
ROUNDS = 4
LONGEST = 300
FEWEST_WORDS = 2
# Numbers, bullets and quotation marks around a line.
AROUND = " \t-*\u2022\"'`\u201c\u201d,"
NUMBER = re.compile(r"^\s*\(?\d+\s*[.):]\s*")


@dataclass(frozen=True)
class Endpoint:
    """Where to ask, and which model; api_key: empty where none is needed."""

    base_url: str
    model: str
    api_key: str

    @property
    def address(self) -> str:
        return f"{self.base_url.rstrip('/')}/chat/completions"


def endpoint() -> Endpoint:
    """What the environment names; raises `ConfigError` where that is too little."""
    told = {name: os.environ[name] if name in os.environ else "" for name in (BASE_URL, MODEL)}
    missing = [name for name, value in told.items() if not value.strip()]
    if missing:
        raise ConfigError(
            f"grid.fillers=llm: {missing[0]} is not set; set {BASE_URL}, {MODEL} and, where the "
            f"server wants one, {API_KEY}, or choose grid.fillers=prompts"
        )
    key = os.environ[API_KEY] if API_KEY in os.environ else ""
    return Endpoint(told[BASE_URL], told[MODEL], key)


def ask_for_prompts(where: Endpoint, count: int, pause: float = 1.0) -> list[str]:
    """`count` different prompts, or fewer where the model does not give more, which is told.

    pause: seconds before a busy server is asked again. Raises `DataError` for a server that gives
    no answer, or none with a prompt in it.
    """
    prompts: dict[str, str] = {}
    for _ in range(ROUNDS):
        lacking = count - len(prompts)
        if not lacking:
            break
        for prompt in _read(_asked(where, lacking, list(prompts.values()), pause)):
            prompts.setdefault(prompt.casefold(), prompt)
    if not prompts:
        raise DataError(
            f"grid.fillers=llm: {where.model} at {where.base_url} gave no prompt; choose another "
            "model, or grid.fillers=prompts"
        )
    if len(prompts) < count:
        say(f"{where.model} gave {len(prompts)} of {count} prompts; they come again")
    return list(prompts.values())[:count]


def _asked(where: Endpoint, count: int, known: list[str], pause: float) -> str:
    """What the model says."""
    import httpx

    question = (
        f"Write {count} short prompts for a text-to-image model, one on each line and nothing "
        f"else. Spread them over these kinds: {', '.join(categories())}. No two may be alike."
    )
    if known:
        question += " Do not repeat any of these:\n" + "\n".join(known)
    headers = {"Authorization": f"Bearer {where.api_key}"} if where.api_key else {}
    body = {"model": where.model, "messages": [{"role": "user", "content": question}]}

    def send() -> httpx.Response:
        return httpx.post(where.address, json=body, headers=headers, timeout=SECONDS)

    try:
        return _content(answer(send, pause=pause).json())
    except NoAnswer as fault:
        raise DataError(f"grid.fillers=llm: {where.address}: {fault.reason}") from fault
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(
            f"grid.fillers=llm: {where.address}: the answer is no chat completion"
        ) from error


def _content(said: Any) -> str:
    content = said["choices"][0]["message"]["content"]
    if not isinstance(content, str):
        raise TypeError("no text")
    return content


def _read(said: str) -> list[str]:
    """The prompts in an answer: lines, or a list of JSON, whatever stands around them."""
    start = said.find("[")
    end = said.rfind("]")
    lines: list[Any] = said.splitlines()
    if 0 <= start < end:
        try:
            lines = json.loads(said[start : end + 1])
        except ValueError:
            lines = said.splitlines()
    prompts = [NUMBER.sub("", line).strip(AROUND) for line in lines if isinstance(line, str)]
    return [prompt for prompt in prompts if _is_prompt(prompt)]


def _is_prompt(text: str) -> bool:
    """No headline, fence, or anything that no person would draw."""
    fits = len(text) <= LONGEST and len(text.split()) >= FEWEST_WORDS
    return fits and not text.endswith(":") and not text.startswith(("#", "<"))
