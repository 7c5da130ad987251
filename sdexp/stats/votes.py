"""How often one of two was chosen blindly."""

from collections.abc import Sequence
from dataclasses import dataclass

from sdexp.stats.comparison import wilson


@dataclass(frozen=True)
class Tally:
    """Votes for either, and for neither.

    win_rate: the share of finetuned among votes for one of the two; ci95: Wilson's interval of it
    (Wilson 1927, equation 4). None without such votes.
    """

    finetuned: int
    original: int
    same: int
    win_rate: float | None
    ci95: tuple[float, float] | None


def tally(choices: Sequence[str]) -> Tally:
    """Count choices, each "finetuned", "original" or "same"."""
    finetuned = sum(choice == "finetuned" for choice in choices)
    original = sum(choice == "original" for choice in choices)
    decided = finetuned + original
    same = len(choices) - decided
    if not decided:
        return Tally(finetuned, original, same, None, None)
    rate = finetuned / decided
    return Tally(finetuned, original, same, rate, wilson(rate, decided))
