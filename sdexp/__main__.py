"""What there is to call: `python -m sdexp` lists the doors."""

import ast
import sys
from importlib.metadata import version
from pathlib import Path

PACKAGE = Path(__file__).parent


def doors() -> dict[str, str]:
    """First line of each module at the top that calls itself a door, by name."""
    found = {}
    for file in sorted(PACKAGE.glob("*.py")):
        text = ast.get_docstring(ast.parse(file.read_text())) or ""
        if text.startswith("Door: "):
            found[file.stem] = text.splitlines()[0].removeprefix("Door: ")
    return found


def main(argv: list[str]) -> int:
    """Print the doors, or the version; returns the exit code."""
    if "--version" in argv:
        print(f"sdexp {version('sdexp')}")
        return 0
    print("usage: python -m sdexp.DOOR key=value ...; python -m sdexp.DOOR --help shows every key")
    for name, line in doors().items():
        print(f"  {name:9} {line}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
