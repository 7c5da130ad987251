"""Model and metrics that follow the data, where a person did not choose them."""

from pathlib import Path
from typing import Any

from yaml import safe_load

from sdexp.launch.files import GLOBAL_GROUPS, option_file

EMBEDDED = "pocket"
# For pictures of the real world.
MODEL = "sd14"
COMPLETE = "standard"
SHIPPED = "offline"


def is_foreign(choices: dict[str, str]) -> bool:
    """Whether the data are other pictures than those of the embedded world."""
    return "dataset" in choices and choices["dataset"] != EMBEDDED


def is_chosen(group: str, choices: dict[str, str], overrides: list[str]) -> bool:
    """Whether the command line, or a file that speaks of the whole, chose an option of a group."""
    if any(override.lstrip("+~").partition("=")[0] == group for override in overrides):
        return True
    return any(_overrides(kind, choices[kind], group) for kind in GLOBAL_GROUPS if kind in choices)


def _overrides(kind: str, option: str, group: str) -> bool:
    """Whether a file of the group `kind`, or one that it inherits, chooses an option."""
    file = option_file(kind, option)
    if file is None:
        return False
    for default in _defaults(file):
        key, value = next(iter(default.items()))
        if key.removeprefix("override ").lstrip("/").partition("@")[0] == group:
            return True
        if value is None and key != "_self_" and _overrides(kind, key.partition("@")[0], group):
            return True
    return False


def _defaults(file: Path) -> list[dict[str, Any]]:
    """The defaults list of a file, names of files alone as keys without a value."""
    values = safe_load(file.read_text())
    found = values["defaults"] if "defaults" in values else []
    return [one if isinstance(one, dict) else {str(one): None} for one in found]
