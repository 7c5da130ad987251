"""A split whose pictures are files."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sdexp.dataset.base import SPLITS, Finding, Findings, Kept, OpenDataset, Sample
from sdexp.dataset.captions import Entry, Listing
from sdexp.dataset.examination import examine_all
from sdexp.dataset.pictures import BadPicture, Verdict, read_picture
from sdexp.dataset.repeats import Repeated
from sdexp.dataset.splits import SplitRules, check_enough, cut
from sdexp.ground.errors import DataError
from sdexp.ground.store import Store, default_root

GONE = "was in the split when the run began, and is gone"
LATE = "came after the run began; left out"


class PictureFiles(OpenDataset):
    """Picture files that were decoded once; they are decoded again when asked for."""

    def __init__(
        self, entries: Sequence[Entry], verdicts: Sequence[Verdict], findings: Findings
    ) -> None:
        self._entries = tuple(entries)
        self._hashes = tuple(verdict.sha256 for verdict in verdicts)
        self._sizes = tuple(verdict.size for verdict in verdicts)
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

    def size(self, index: int) -> tuple[int, int]:
        return self._sizes[index]

    def manifest(self) -> str:
        lines = [
            json.dumps([entry.sample_id, entry.captions, digest])
            for entry, digest in zip(self._entries, self._hashes, strict=True)
        ]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def open_split(
    where: str, listing: Listing, split: str, rules: SplitRules, kept: Kept | None = None
) -> OpenDataset:
    """Decode every picture once, unless it is known, and open a split.

    A split with a folder or list of its own is that; the others are cut from the pictures of
    "train" that can be decoded, so that a damaged file never empties one. `kept` takes the place of
    all that. Each finding is named by one split only: a repair by the split that holds the picture,
    everything else by "train". `where` is the key with its value, for the message of the
    `DataError` that is raised when a split would be empty or too much is dropped.
    """
    assert split in SPLITS
    examined = _examined(listing)
    if kept is not None:
        members, lost = _kept(where, split, examined, kept)
    else:
        members, lost = _cut(where, split, listing, examined, rules)
    findings = Findings(lost, _repairs(members, examined.verdicts))
    if split == "train":
        findings.dropped[:0] = listing.findings.dropped
        findings.repaired[:0] = listing.findings.repaired
    verdicts = [examined.verdicts[entry] for entry in members]
    files = PictureFiles(members, verdicts, findings)
    repeats = [entry.repeats for entry in members]
    return Repeated(files, repeats) if split == "train" and max(repeats) > 1 else files


@dataclass(frozen=True)
class Examined:
    """Every entry of a listing by what decoding showed."""

    verdicts: dict[Entry, Verdict]

    @property
    def left(self) -> dict[str, Entry]:
        """By sample id those that give a picture."""
        return {e.sample_id: e for e, verdict in self.verdicts.items() if verdict.fault is None}

    def lost(self, home: str) -> list[Finding]:
        """Those of one home that give none."""
        return [
            Finding(entry.sample_id, verdict.fault)
            for entry, verdict in self.verdicts.items()
            if verdict.fault is not None and entry.home == home
        ]


def _examined(listing: Listing) -> Examined:
    paths = [entry.path for entry in listing.entries]
    verdicts = examine_all(paths, Store(default_root()))
    return Examined(dict(zip(listing.entries, verdicts, strict=True)))


def _cut(
    where: str, split: str, listing: Listing, examined: Examined, rules: SplitRules
) -> tuple[list[Entry], list[Finding]]:
    """The members of a split, and the pictures that it names as lost."""
    home = split if split in listing.homes else "train"
    left = {name: entry for name, entry in examined.left.items() if entry.home == home}
    to_cut = {name: share for name, share in rules.shares.items() if name not in listing.homes}
    splits = ["train", *to_cut] if home == "train" else [home]
    lost = examined.lost(home)
    known = listing.findings.lost
    check_enough(where, splits, len(left), [*known, *lost])
    everywhere = [finding for one in SPLITS for finding in examined.lost(one)]
    rules.check_lost(where, len(examined.left), [*known, *everywhere])
    ids = cut(left, to_cut)[split] if home == "train" else sorted(left)
    return [left[name] for name in ids], lost if split == home else []


def _kept(
    where: str, split: str, examined: Examined, kept: Kept
) -> tuple[list[Entry], list[Finding]]:
    """The members of a split of a run that are still there, and those that are not.

    What never belonged to a split is named by "train".
    """
    left = examined.left
    faults = {entry.sample_id: verdict.fault for entry, verdict in examined.verdicts.items()}
    own = sorted(name for name, home in kept.items() if home == split)
    members = [left[name] for name in own if name in left]
    lost = [
        Finding(name, (faults[name] if name in faults else None) or GONE)
        for name in own
        if name not in left
    ]
    check_enough(where, [split], len(members), lost)
    if split == "train":
        for name in sorted(faults.keys() - kept.keys()):
            fault = faults[name]
            lost.append(Finding(name, fault) if fault else Finding(name, LATE, "row"))
    return members, lost


def _repairs(members: Sequence[Entry], verdicts: Mapping[Entry, Verdict]) -> list[Finding]:
    return [
        Finding(entry.sample_id, reason) for entry in members for reason in verdicts[entry].repairs
    ]
