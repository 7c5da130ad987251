"""Cutting one set of pictures into train, val and test by the hash of their ids."""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sdexp.dataset.base import Finding
from sdexp.dataset.captions import Listing
from sdexp.ground.checks import require, share
from sdexp.ground.errors import DataError

# Pictures that a split gets whatever its share, in the order in which they are given out.
LEAST = {"test": 2, "val": 1}
# So many reasons fit into a line.
REASONS = 5


@dataclass(frozen=True)
class SplitRules:
    """Shares of the pictures that val and test get, and the share of them that may be dropped.

    Raises `ValueError` unless the shares leave something to train on.
    """

    val_fraction: float
    test_fraction: float
    max_dropped_fraction: float

    def __post_init__(self) -> None:
        for name, value in self.shares.items():
            allowed = "a number above 0 and below 1, such as 0.1"
            require("dataset", 0 < value < 1, f"{name}_fraction", value, allowed)
        fits = self.val_fraction + self.test_fraction < 1
        allowed = f"less: with test_fraction={self.test_fraction} nothing is left to train on"
        require("dataset", fits, "val_fraction", self.val_fraction, allowed)
        share("dataset", max_dropped_fraction=self.max_dropped_fraction)

    @property
    def shares(self) -> dict[str, float]:
        return {"val": self.val_fraction, "test": self.test_fraction}

    def check_lost(self, where: str, pictures: int, lost: Sequence[Finding]) -> None:
        """Raise `DataError` where more pictures are dropped than may be.

        pictures: how many are left; `where` is the key of the data set with its value.
        """
        total = pictures + len(lost)
        if len(lost) > self.max_dropped_fraction * total:
            raise DataError(
                f"{where}: {len(lost)} of {total} pictures would be dropped ({by_reason(lost)}), "
                f"more than dataset.max_dropped_fraction={self.max_dropped_fraction}; mend them "
                "or raise it"
            )


def by_reason(findings: Iterable[Finding]) -> str:
    """How often each reason stands there, the most frequent first."""
    counts = Counter(kind_of(finding.reason) for finding in findings)
    told = [f"{count}: {reason}" for reason, count in counts.most_common(REASONS)]
    others = len(counts) - len(told)
    return "; ".join([*told, *([f"{others} other reasons"] if others else [])])


def kind_of(reason: str) -> str:
    """A reason without what is particular to one file."""
    return re.sub(r"\d+x\d+", "size", reason.partition(": ")[0])


def cut(ids: Collection[str], fractions: Mapping[str, float]) -> dict[str, list[str]]:
    """Cut `ids` into "train" and the splits of `fractions`, each at least one id, sorted.

    A test split has at least two, which a comparison needs, where one is left for each of the
    others.

    In the order of sha256(id), test is taken from the front, val from the back, and train lies
    between: an id that is added or removed moves at most one other id across each border. `ids`
    must be at least as many as there are splits.
    """
    assert set(fractions) <= {"val", "test"} and len(ids) > len(fractions)
    order = sorted(ids, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    sizes = dict.fromkeys(LEAST, 0)
    spare = len(order) - 1 - len(fractions)
    for split in (name for name in sizes if name in fractions):
        wanted = max(LEAST[split], round(len(order) * fractions[split]))
        more = min(wanted - 1, spare)
        sizes[split] = 1 + more
        spare -= more
    end = len(order) - sizes["val"]
    parts: dict[str, Sequence[str]] = {
        "train": order[sizes["test"] : end],
        "val": order[end:],
        "test": order[: sizes["test"]],
    }
    return {split: sorted(part) for split, part in parts.items()}


def check_listing(where: str, listing: Listing, rules: SplitRules) -> None:
    """Raise `DataError` when a split would be empty even if every file could be decoded.

    `where` is the key with its value.
    """
    to_cut = [name for name in rules.shares if name not in listing.homes]
    lost = listing.findings.lost
    for home in ("train", *(listing.homes - {"train"})):
        count = sum(entry.home == home for entry in listing.entries)
        check_enough(where, ["train", *to_cut] if home == "train" else [home], count, lost)
    rules.check_lost(where, len(listing.entries), lost)


def check_enough(where: str, splits: Sequence[str], left: int, lost: Sequence[Finding]) -> None:
    """Raise `DataError` unless every split gets a picture of those that are left."""
    if left >= len(splits):
        return
    count = "no picture is" if not left else f"only {left} picture(s) are"
    need = f"{', '.join(splits)} need{'s' if len(splits) == 1 else ''} at least one each"
    reason = f"; first reason: {lost[0].item}: {lost[0].reason}" if lost else ""
    raise DataError(f"{where}: {count} left of {left + len(lost)}, and {need}{reason}")
