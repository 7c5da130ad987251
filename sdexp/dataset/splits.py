"""Cutting one set of pictures into train, val and test by the hash of their ids."""

import hashlib
from collections.abc import Collection, Mapping, Sequence

from sdexp.dataset.base import Finding
from sdexp.dataset.captions import Entry, Listing
from sdexp.ground.config import require
from sdexp.ground.errors import DataError

# Pictures that a split gets whatever its share, in the order in which they are given out.
LEAST = {"test": 2, "val": 1}


def check_fractions(val_fraction: float, test_fraction: float) -> None:
    """Raise `ValueError` unless both are above 0 and leave something to train on."""
    for name, value in (("val_fraction", val_fraction), ("test_fraction", test_fraction)):
        allowed = "a number above 0 and below 1, such as 0.1"
        require("dataset", 0 < value < 1, name, value, allowed)
    fits = val_fraction + test_fraction < 1
    allowed = f"less: with test_fraction={test_fraction} nothing is left to train on"
    require("dataset", fits, "val_fraction", val_fraction, allowed)


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


def check_listing(where: str, listing: Listing, val_fraction: float, test_fraction: float) -> None:
    """Raise `DataError` when a split would be empty even if every file could be decoded.

    `where` is the key with its value.
    """
    homes = {entry.home for entry in listing.entries}
    fractions = {"val": val_fraction, "test": test_fraction}
    to_cut = [name for name in fractions if name not in homes]
    pool = [entry for entry in listing.entries if entry.home == "train"]
    left = {entry.sample_id: entry for entry in pool}
    check_enough(where, ["train", *to_cut], left, pool, listing.findings.dropped)


def check_enough(
    where: str,
    splits: Sequence[str],
    left: dict[str, Entry],
    pool: Sequence[Entry],
    dropped: Sequence[Finding],
) -> None:
    """Raise `DataError` unless every split gets a picture of those that are left of `pool`."""
    if len(left) >= len(splits):
        return
    total = len({entry.sample_id for entry in pool} | {finding.item for finding in dropped})
    count = "no picture is" if not left else f"only {len(left)} picture(s) are"
    need = f"{', '.join(splits)} need{'s' if len(splits) == 1 else ''} at least one each"
    reason = f"; first reason: {dropped[0].item}: {dropped[0].reason}" if dropped else ""
    raise DataError(f"{where}: {count} left of {total}, and {need}{reason}")
