"""Prompts from a language model behind any endpoint that speaks OpenAI's chat protocol."""

import json
import re
from typing import Any

from sdexp.engine.generate.templates import categories
from sdexp.ground.endpoint import Endpoint
from sdexp.ground.errors import DataError
from sdexp.ground.interrupt import interruptible
from sdexp.ground.progress import say
from sdexp.ground.web import NoAnswer, ask, client

# How often is asked for what is still lacking.
ROUNDS = 4
LONGEST = 300
FEWEST_LETTERS = 4
# Bullets and quotation marks around a line.
AROUND = " \t-*\u2022\"'`\u201c\u201d,"
NUMBER = re.compile(r"^\s*\(?\d+\s*[.):]\s*")
THOUGHTS = re.compile(r"<think>.*?(?:</think>|\Z)", re.DOTALL)
# How a model begins that speaks to a person.
TALK = (
    "sure",
    "here ",
    "here's",
    "certainly",
    "of course",
    "okay",
    "sorry",
    "i'm ",
    "i am ",
    "i can",
)


def ask_for_prompts(where: Endpoint, count: int) -> list[str]:
    """`count` different prompts, or fewer where the model does not give more, which is told.

    Raises `DataError` for a server that gives no answer, or none with a prompt in it.
    """
    prompts: dict[str, str] = {}
    for _ in range(ROUNDS):
        lacking = count - len(prompts)
        if not lacking:
            break
        for prompt in read_prompts(_asked(where, lacking, list(prompts.values()))):
            prompts.setdefault(prompt.casefold(), prompt)
    if not prompts:
        raise DataError(
            f"grid.fillers=llm: {where.model} at {where.shown} gave no prompt; choose another "
            "model, or grid.fillers=prompts"
        )
    if len(prompts) < count:
        say(f"{where.model} gave {len(prompts)} of {count} prompts; they come again")
    return list(prompts.values())[:count]


def _asked(where: Endpoint, count: int, known: list[str]) -> str:
    """What the model says."""
    question = (
        f"Write {count} short prompts for a text-to-image model, one on each line and nothing "
        f"else. Spread them over these kinds: {', '.join(categories())}. No two may be alike."
    )
    if known:
        question += " Do not repeat any of these:\n" + "\n".join(known)
    headers = {"Authorization": f"Bearer {where.api_key}"} if where.api_key else {}
    body = {"model": where.model, "messages": [{"role": "user", "content": question}]}
    try:
        with interruptible(), client() as through:
            return _content(ask(through, "POST", where.address, json=body, headers=headers))
    except NoAnswer as fault:
        raise DataError(f"grid.fillers=llm: {where.shown}: {fault.reason}") from fault
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(
            f"grid.fillers=llm: {where.shown}: the answer is no chat completion"
        ) from error


def _content(answer: bytes) -> str:
    content = json.loads(answer)["choices"][0]["message"]["content"]
    if not isinstance(content, str):
        raise TypeError("no text")
    return content


def read_prompts(said: str) -> list[str]:
    """The prompts in an answer: lines, or a list of JSON, whatever stands around them."""
    said = THOUGHTS.sub("", said)
    lines = _listed(said) or said.splitlines()
    prompts = [NUMBER.sub("", line).strip(AROUND) for line in lines]
    return [prompt for prompt in prompts if _is_prompt(prompt)]


def _listed(said: str) -> list[str]:
    """The texts of a list of JSON, or of its objects; nothing where there is no such list."""
    start = said.find("[")
    end = said.rfind("]")
    try:
        found = json.loads(said[start : end + 1]) if 0 <= start < end else []
    except ValueError:
        return []
    return [text for text in map(_text, found) if text]


def _text(element: Any) -> str:
    if isinstance(element, dict):
        texts = [value for value in element.values() if isinstance(value, str)]
        return max(texts, key=len) if texts else ""
    return element if isinstance(element, str) else ""


def _is_prompt(text: str) -> bool:
    """No headline, fence or talk, nor anything that no person would draw."""
    letters = sum(letter.isalpha() for letter in text)
    is_one_word = text.isascii() and len(text.split()) < 2
    fits = letters >= FEWEST_LETTERS and len(text) <= LONGEST and not is_one_word
    is_talk = text.casefold().replace("\u2019", "'").startswith(TALK)
    return fits and not is_talk and not text.endswith(":") and not text.startswith(("#", "<"))
