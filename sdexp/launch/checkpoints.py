"""`checkpoints=all` and `checkpoints=[200,400]`: kept steps of a run, by the words of a command."""

from sdexp.ground.errors import ConfigError
from sdexp.ground.run import RunFolder, saved_steps

WORDS = ("checkpoints=", "evaluation.checkpoints=")
ALL = "all"


def named_steps(run: RunFolder, overrides: list[str]) -> tuple[list[int], list[str]]:
    """The steps that a command names, oldest first, and its other words.

    No step where it names none. Raises `ConfigError` for a step without a checkpoint.
    """
    named = [one.partition("=")[2] for one in overrides if one.startswith(WORDS)]
    others = [one for one in overrides if not one.startswith(WORDS)]
    if not named:
        return [], overrides
    kept = saved_steps(run.checkpoints)
    told = ", ".join(map(str, kept)) or "none"
    wanted = kept if named[-1] == ALL else _steps(named[-1], told)
    lacking = [step for step in wanted if step not in kept]
    if lacking or not wanted:
        what = lacking[0] if lacking else named[-1]
        raise ConfigError(
            f"checkpoints={what}: there is no such one; there are {told} "
            "(training.checkpoints_total_limit says how many are kept)"
        )
    return sorted(set(wanted)), others


def _steps(value: str, told: str) -> list[int]:
    words = [word.strip() for word in value.strip("[]").split(",")]
    if not all(word.isdecimal() for word in words):
        raise ConfigError(f"checkpoints={value}: allowed is all, or some of [{told}]")
    return [int(word) for word in words]
