"""Captions that a person should look at before a model learns them."""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sdexp.ground.audit_records import Doubt
from sdexp.ground.texts import unspoiled

FEWEST_WORDS = 3
# A caption that so many pictures share describes none of them.
SHARED = 3
# Scripts that put no blanks between words; a character of them counts as one.
UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
MARKUP = re.compile(r"https?://|www\.|</?\w+[^>]*>|&(?:\w+|#\d+);")
FILE_NAME = re.compile(r"\b(?:IMG|DSC|DCIM)_?\d+|\.(?:jpe?g|png|webp|tiff?)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Captioned:
    """A caption of a picture."""

    split: str
    sample_id: str
    caption: str


def doubts(
    captioned: Iterable[Captioned], overlong: Callable[[list[str]], list[bool]]
) -> list[Doubt]:
    """Each caption with every reason to doubt it, in the order given.

    overlong: of each caption, whether a text encoder reads only its beginning.
    """
    rows = list(captioned)
    owners = {(one.caption, one.sample_id) for one in rows}
    sharers = Counter(caption for caption, _ in owners)
    long = overlong([one.caption for one in rows])
    found = []
    for one, is_long in zip(rows, long, strict=True):
        reasons = _reasons(one.caption)
        if is_long:
            reasons.append("longer than the text encoder reads")
        if sharers[one.caption] >= SHARED:
            reasons.append(f"the same for several pictures: {sharers[one.caption]}")
        found += [Doubt(one.split, one.sample_id, one.caption, reason) for reason in reasons]
    return found


def _reasons(caption: str) -> list[str]:
    """What a caption shows by itself."""
    reasons = []
    if _words(caption) < FEWEST_WORDS:
        reasons.append(f"fewer than {FEWEST_WORDS} words")
    if not any(letter.isalpha() for letter in caption):
        reasons.append("no letter in it")
    if unspoiled(caption) != caption:
        reasons.append(f"misread UTF-8: {unspoiled(caption)}")
    if "\ufffd" in caption:
        reasons.append("a character that was lost")
    if MARKUP.search(caption):
        reasons.append("markup or an address in it")
    if FILE_NAME.search(caption):
        reasons.append("a file name in it")
    return reasons


def _words(caption: str) -> int:
    return max(len(re.findall(r"\w+", caption)), len(UNSPACED.findall(caption)))
