"""Prompts that a person wrote into a file."""

from pathlib import Path

from sdexp.ground.errors import DataError
from sdexp.ground.files import named_path
from sdexp.ground.texts import decoded


def read_prompts(key: str, value: str) -> list[str]:
    """The prompts of a UTF-8 file, one on each line; empty lines are none.

    `key` is what names the file. Raises `DataError` for a file that cannot be read, holds none, or
    says one twice.
    """
    prompts: list[str] = []
    for number, line in enumerate(_text(key, value).splitlines(), start=1):
        prompt = line.strip()
        if prompt in prompts:
            raise DataError(f"{key}={value}, line {number}: repeats an earlier prompt; remove it")
        if prompt:
            prompts.append(prompt)
    if not prompts:
        raise DataError(f"{key}={value}: holds no prompt; write one on each line")
    return prompts


def read_prompt(key: str, value: str) -> str:
    """The one prompt that a whole file is, its lines joined; raises `DataError`."""
    prompt = " ".join(_text(key, value).split())
    if not prompt:
        raise DataError(f"{key}=@{value}: holds no prompt")
    return prompt


def _text(key: str, value: str) -> str:
    path: Path = named_path(key, value)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{key}={value}: cannot be read ({error.strerror})") from error
    return decoded(data, f"{key}={value}")
