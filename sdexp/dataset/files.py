"""A split whose pictures are files."""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from sdexp.dataset.base import SPLITS, Finding, Findings, OpenDataset, Sample
from sdexp.dataset.captions import Entry, Listing
from sdexp.dataset.pictures import BadPicture, Verdict, examine, read_picture
from sdexp.dataset.splits import check_enough, cut
from sdexp.ground.errors import DataError

MAX_THREADS = 8


class PictureFiles(OpenDataset):
    """Picture files that were decoded once; they are decoded again when asked for."""

    def __init__(self, entries: Sequence[Entry], hashes: Sequence[str], findings: Findings) -> None:
        """`hashes`: sha256 of each file."""
        self._entries = tuple(entries)
        self._hashes = tuple(hashes)
        self.findings = findings

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Sample:
        """Raises `DataError` when the file was changed or removed meanwhile."""
        entry = self._entries[index]
        try:
            picture = read_picture(entry.path)
        except BadPicture as bad:
            raise DataError(
                f"{entry.path}: {bad.reason}; it was a picture when the data set was opened"
            ) from bad
        return Sample(entry.sample_id, picture.image, entry.captions)

    def sample_id(self, index: int) -> str:
        return self._entries[index].sample_id

    def captions(self, index: int) -> tuple[str, ...]:
        return self._entries[index].captions

    def manifest(self) -> str:
        lines = [
            json.dumps([entry.sample_id, entry.captions, digest])
            for entry, digest in zip(self._entries, self._hashes, strict=True)
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def open_split(
    where: str, listing: Listing, split: str, val_fraction: float, test_fraction: float
) -> PictureFiles:
    """Decode every picture once and open a split.

    A split with a folder of its own is that folder; the others are cut from the pictures of
    "train" that can be decoded, so that a damaged file never empties one. Each finding is named
    by one split only: a repair by the split that holds the picture, everything else by "train".
    `where` is the key with its value, for the message of the `DataError` that is raised when a
    split would be empty.
    """
    assert split in SPLITS
    homes = {entry.home for entry in listing.entries}
    home = split if split in homes else "train"
    pool = [entry for entry in listing.entries if entry.home == home]
    verdicts = dict(zip(pool, _examine_all(pool), strict=True))
    dropped = [Finding(e.sample_id, v.fault) for e, v in verdicts.items() if v.fault is not None]
    left = {entry.sample_id: entry for entry in pool if verdicts[entry].fault is None}

    fractions = {"val": val_fraction, "test": test_fraction}
    to_cut = {name: share for name, share in fractions.items() if name not in homes}
    splits = ["train", *to_cut] if home == "train" else [home]
    check_enough(where, splits, left, pool, [*listing.findings.dropped, *dropped])

    ids = cut(left, to_cut)[split] if home == "train" else sorted(left)
    members = [left[sample_id] for sample_id in ids]
    findings = Findings(repaired=_repairs(members, verdicts))
    if split == "train":
        findings.dropped += listing.findings.dropped
        findings.repaired[:0] = listing.findings.repaired
    if split == home:
        findings.dropped += dropped
    return PictureFiles(members, [verdicts[entry].sha256 for entry in members], findings)


def _examine_all(entries: Sequence[Entry]) -> list[Verdict]:
    threads = min(MAX_THREADS, os.cpu_count() or 1)
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(lambda entry: examine(entry.path), entries))


def _repairs(members: Sequence[Entry], verdicts: dict[Entry, Verdict]) -> list[Finding]:
    return [
        Finding(entry.sample_id, reason) for entry in members for reason in verdicts[entry].repairs
    ]
