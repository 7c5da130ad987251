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
