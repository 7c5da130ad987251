"""Faults that are told to a person in one line, each with the exit code of its kind."""

from collections.abc import Callable, Iterable


class SdexpError(Exception):
    """A fault told to a person in one line; `exit_code` is that of the command."""

    exit_code = 70


class ConfigError(SdexpError):
    """The configuration is wrong: says key, value, what is allowed and how to mend it."""

    exit_code = 2


class DataError(SdexpError):
    """The data is missing or unusable."""

    exit_code = 65


class DiskError(SdexpError):
    """A file could not be written."""

    exit_code = 74


class MemoryFault(SdexpError):
    """The device has too little memory."""

    exit_code = 75


class DivergedError(SdexpError):
    """The loss is not a number any more."""

    exit_code = 76


class RunFailed(SdexpError):
    """A run that was begun for a program ended badly; `exit_code` is that of the run."""

    def __init__(self, told: str, exit_code: int) -> None:
        super().__init__(told)
        self.exit_code = exit_code


def what_fails(checks: Iterable[Callable[[], object]]) -> list[str]:
    """What those of the checks say that raise `DataError`."""
    lines = []
    for check in checks:
        try:
            check()
        except DataError as error:
            lines.append(str(error))
    return lines
