"""Door: try runs in the browser, original beside finetuned. `python -m sdexp.app runs=outputs`."""

import importlib.util
import sys
from pathlib import Path

from sdexp.ground.build import typed
from sdexp.ground.errors import ConfigError
from sdexp.ground.files import named_path
from sdexp.launch.app_settings import AppSettings
from sdexp.launch.arguments import Arguments
from sdexp.launch.compose import compose
from sdexp.launch.door import run_door

NEEDED = ("fastapi", "uvicorn", "python_multipart")


def main(argv: list[str] | None = None) -> int:
    """Serve until the end; returns the exit code."""
    return run_door("app", _app, argv)


def _app(arguments: Arguments) -> int:
    settings = typed("app", AppSettings, compose("app", arguments.overrides).config)
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"{missing[0]} is missing: pip install 'sdexp[app]'")
    root = _root(settings.runs)
    from sdexp.service.listening import serve

    return serve(settings, root)


def _root(runs: str) -> Path:
    root = named_path("runs", runs)
    if not root.is_dir():
        raise ConfigError(
            f"runs={runs}: no such folder; name one that holds runs, or make one with "
            "python -m sdexp.train"
        )
    return root


if __name__ == "__main__":
    sys.exit(main())
