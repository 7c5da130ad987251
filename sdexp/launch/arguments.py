"""The words of a command line."""

import os
import re
from dataclasses import dataclass

from sdexp.ground import plugins
from sdexp.ground.build import escaped
from sdexp.ground.errors import ConfigError
from sdexp.launch.files import OWN

MULTIRUN = ("-m", "--multirun")
CONFIG_DIR = ("--config-dir", "-cd")
SHOWING = (
    "--help",
    "-h",
    "--cfg",
    "-c",
    "--info",
    "-i",
    "--resolve",
    "--package",
    "-p",
    "--hydra-help",
    "--version",
    "--shell-completion",
    "-sc",
)
# Keys whose value is one text, whatever signs it holds.
PROMPTS = ("prompt", "negative_prompt", "main", "caption_template")
TEXTS = (
    *PROMPTS,
    "run",
    "runs",
    "run_dir",
    "data_dir",
    "path",
    "original",
    "finetuned",
    "caption_column",
    "image_column",
    "captioner",
    "pretrained_model_name_or_path",
    "revision",
    "scorer",
    "project",
    "entity",
    "name",
)


@dataclass(frozen=True)
class Arguments:
    """A command line: `words` as typed, overrides as `key=value`, options that only show."""

    words: list[str]
    overrides: list[str]
    shows: list[str]
    multirun: bool


def read_arguments(words: list[str]) -> Arguments:
    """Sort the words, and heed `--config-dir DIR` and `plugins=[...]`.

    Raises `ConfigError` for an unknown option.
    """
    left = _without_config_dir(words)
    named = [word for word in left if word.startswith("plugins=")]
    for word in named:
        plugins.trust(re.findall(r"[^\[\],\s]+", word.removeprefix("plugins=")))
    rest = [word for word in left if word not in named]
    multirun = any(word in MULTIRUN for word in rest)
    shows, overrides = _sorted([word for word in rest if word not in MULTIRUN])
    return Arguments(words, overrides, shows, multirun)


def _without_config_dir(words: list[str]) -> list[str]:
    left = []
    waiting = iter(words)
    for word in waiting:
        option, _, value = word.partition("=")
        if option not in CONFIG_DIR:
            left.append(word)
            continue
        os.environ[OWN] = value or next(waiting, "")
        if not os.environ[OWN]:
            raise ConfigError(f"{option}: name the folder of your own configuration files")
    return left


def _sorted(words: list[str]) -> tuple[list[str], list[str]]:
    """Options with their values, and overrides."""
    shows: list[str] = []
    overrides: list[str] = []
    for word in words:
        if word.startswith("-"):
            if word.split("=")[0] not in SHOWING:
                raise ConfigError(f"{word}: unknown option; values are given as key=value")
            shows.append(word)
        elif shows and "=" not in word and not word.startswith("~"):
            shows.append(word)
        else:
            overrides.append(word)
    return shows, overrides


def quoted(override: str, sweeps: bool = False) -> str:
    """A text is taken as it is: its commas, brackets and other signs are not for Hydra to read.

    With `sweeps`, commas separate the values of all texts but prompts.
    """
    key, equals, value = override.partition("=")
    name = key.rpartition(".")[2]
    if not equals or name not in TEXTS or value == "null":
        return override
    quote = value[:1]
    is_quoted = len(value) > 1 and quote in ("'", '"') and value.find(quote, 1) == len(value) - 1
    if sweeps and "," in value and not is_quoted and name not in PROMPTS:
        return override
    text = value[1:-1] if is_quoted else value
    # In Hydra's quoted strings a backslash acts only before a quote.
    text = escaped(text)
    text = re.sub(r"(\\*)('|$)", lambda m: m[1] * 2 + ("\\'" if m[2] else ""), text)
    return f"{key}='{text}'"
