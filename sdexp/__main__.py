"""What there is to call: `python -m sdexp` lists the doors."""

import sys
from importlib.metadata import version

from sdexp.launch.show import doors


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
