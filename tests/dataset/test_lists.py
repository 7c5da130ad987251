"""The published splits."""

from pathlib import Path

import pytest

from sdexp.dataset.base import Finding, Findings
from sdexp.dataset.captions import Entry, Listing
from sdexp.dataset.lists import (
    FAMILIES,
    homes_of,
    unrelated_captions,
    with_homes,
    without_unrelated,
)

COUNTS = {
    "entities": [29_783, 1_000, 1_000],
    "karpathy": [29_000, 1_014, 1_000],
    "flickr8k": [6_000, 1_091, 1_000],
}


@pytest.mark.parametrize("family", FAMILIES)
def test_they_have_the_published_sizes(family: str) -> None:
    homes = list(homes_of(family).values())
    assert [homes.count(split) for split in ("train", "val", "test")] == COUNTS[family]


def test_the_lists_of_flickr30k_do_not_mix() -> None:
    """Nearly all that one tests on the other trains on."""
    karpathy, entities = homes_of("karpathy"), homes_of("entities")
    test = [name for name, split in karpathy.items() if split == "test"]
    assert sum(entities[name] == "train" for name in test) == 944


def test_what_is_in_no_list_is_named() -> None:
    names = ["1.jpg", "2.jpg", "3.jpg"]
    entries = [Entry(name, Path(name), ("x",)) for name in names]
    known = Findings([Finding("0.jpg", "gone")])
    listing = with_homes(Listing(entries, known), {"1": "train", "3": "test"}, "mine")
    assert [(entry.sample_id, entry.home) for entry in listing.entries] == [
        ("1.jpg", "train"), ("3.jpg", "test"),
    ]  # fmt: skip
    assert [f.item for f in listing.findings.lost] == ["0.jpg", "2.jpg"]


def test_captions_that_are_listed_as_unrelated_are_left_out() -> None:
    five = ("one", "two", "three", "four", "You know i am looking like Justin Bieber .")
    entries = [Entry(f"{name}.jpg", Path(name), five) for name in ("100759042", "1")]
    entries.append(Entry("129602216.jpg", Path("x"), five[:4]))
    found = without_unrelated(Listing(entries, Findings()), "entities")
    assert [len(entry.captions) for entry in found.entries] == [4, 5, 4]
    assert found.entries[0].captions == five[:4]
    (finding,) = found.findings.dropped
    assert (finding.item, finding.unit) == ("100759042.jpg", "row")
    assert finding.reason.endswith(
        "unrelated to its picture: You know i am looking like Justin Bieber ."
    )
    assert without_unrelated(Listing(entries, Findings()), "karpathy").entries == entries
    assert len(unrelated_captions("entities")) == 21
    (second,) = without_unrelated(
        Listing([Entry("153299765.jpg", Path("x"), five)], Findings()), "entities"
    ).entries
    assert second.captions == (five[0], *five[2:])
