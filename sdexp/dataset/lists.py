"""Published lists of which picture belongs to which split."""

import gzip
from collections.abc import Mapping
from dataclasses import replace

from sdexp.dataset.base import SPLITS, Finding, Findings
from sdexp.dataset.captions import Listing
from sdexp.ground.assets import ASSETS

FOLDER = ASSETS / "splits"
# Ids of the lists are file names without their suffix.
FAMILIES = ("entities", "karpathy", "flickr8k")
# Of a picture of Flickr30k; with fewer their numbers are not those of a list.
CAPTIONS = 5


def homes_of(family: str) -> dict[str, str]:
    """Split by id of a picture, for every picture that the family's lists name."""
    homes: dict[str, str] = {}
    for split in ("train", "val", "test"):
        text = gzip.decompress((FOLDER / family / f"{split}.txt.gz").read_bytes()).decode()
        homes |= dict.fromkeys(text.split(), split)
    return homes


def with_homes(listing: Listing, homes: Mapping[str, str], family: str) -> Listing:
    """A listing whose pictures have the splits of the lists; others are left out, and counted."""
    entries = []
    lost = []
    for entry in listing.entries:
        name = entry.sample_id.rpartition(".")[0]
        if name in homes:
            entries.append(replace(entry, home=homes[name]))
        else:
            reason = f"in none of the lists of split_family={family}"
            lost.append(Finding(entry.sample_id, reason))
    findings = listing.findings
    told = Findings([*findings.dropped, *lost], findings.repaired)
    return Listing(entries, told, frozenset(SPLITS))


def without_unrelated(listing: Listing, family: str) -> Listing:
    """A listing without the captions that the family's authors found unrelated to their pictures.

    They are counted; a family whose authors list none loses none.
    """
    places = unrelated_captions(family)
    entries = []
    dropped = []
    for entry in listing.entries:
        name = entry.sample_id.rpartition(".")[0]
        if name in places and len(entry.captions) == CAPTIONS:
            captions = list(entry.captions)
            said = captions.pop(places[name])
            reason = f"a caption that its authors list as unrelated to its picture: {said}"
            dropped.append(Finding(entry.sample_id, reason, "row"))
            entries.append(replace(entry, captions=tuple(captions)))
        else:
            entries.append(entry)
    findings = listing.findings
    told = Findings([*findings.dropped, *dropped], findings.repaired)
    return Listing(entries, told, listing.homes)


def unrelated_captions(family: str) -> dict[str, int]:
    """Place of such a caption, from 0, by id of its picture."""
    file = FOLDER / family / "unrelated.txt"
    if not file.is_file():
        return {}
    rows = [line.split() for line in file.read_text().splitlines()]
    return {name: int(number) - 1 for name, number in rows}
