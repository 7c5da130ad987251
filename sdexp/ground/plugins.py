"""Packages of a person's own whose parts may be chosen.

They are named by the command line or the environment and never by a file: what a file can name, a
file from elsewhere could run.
"""

import importlib.util
import os

from sdexp.ground.errors import ConfigError

VARIABLE = "SDEXP_PLUGINS"


def trusted() -> list[str]:
    """The packages that the person named, for this process and its children."""
    named = os.environ[VARIABLE] if VARIABLE in os.environ else ""
    return [name for name in named.split(",") if name]


def trust(names: list[str]) -> None:
    """Take these packages too; raises `ConfigError` for one that cannot be imported."""
    for name in names:
        is_name = all(part.isidentifier() for part in name.split("."))
        if not is_name or importlib.util.find_spec(name) is None:
            raise ConfigError(
                f"plugins=[{name}]: no such package; install it, or put the folder that holds it "
                "into PYTHONPATH"
            )
    os.environ[VARIABLE] = ",".join(dict.fromkeys([*trusted(), *names]))
