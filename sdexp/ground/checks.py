"""Range checks of configured values, which name key, value and what is allowed."""

import math
from collections.abc import Collection


def require(section: str, ok: bool, key: str, value: object, allowed: str) -> None:
    """Raise `ValueError` that names the key, its value and what is allowed."""
    if not ok:
        raise ValueError(f"{section}.{key}={value}: allowed is {allowed}")


def one_of(section: str, allowed: Collection[str], **values: str) -> None:
    """Each value is one of the words."""
    for key, value in values.items():
        if value not in allowed:
            raise ValueError(f"{section}.{key}={value}: allowed are {', '.join(allowed)}")


def between(section: str, lowest: int, highest: int, **values: int) -> None:
    """Each value is from `lowest` to `highest`."""
    for key, value in values.items():
        require(section, lowest <= value <= highest, key, value, f"{lowest} to {highest}")


def at_least(section: str, lowest: float, **values: float | None) -> None:
    """Each value is None, or a finite number not below `lowest`."""
    for key, value in values.items():
        fits = value is None or (math.isfinite(value) and value >= lowest)
        require(section, fits, key, value, f"{lowest} or more")


def at_most(section: str, highest: float, **values: float | None) -> None:
    """Each value is None, or not above `highest`."""
    for key, value in values.items():
        require(section, value is None or value <= highest, key, value, f"{highest:g} or less")


def above(section: str, bound: float, **values: float | None) -> None:
    """Each value is None, or a finite number above `bound`."""
    for key, value in values.items():
        fits = value is None or (math.isfinite(value) and value > bound)
        require(section, fits, key, value, f"a number above {bound}")


def share(section: str, **values: float) -> None:
    """Each value is from 0 to 1."""
    for key, value in values.items():
        require(section, 0 <= value <= 1, key, value, "a number from 0 to 1")
