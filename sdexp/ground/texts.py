"""Texts that people wrote into files."""

import re

from sdexp.ground.errors import DataError

# How UTF-8 is misread, and the first letter that this gives where small letters were made of it.
_MISREADINGS = ("cp1252", "latin-1")
_SMALL = str.maketrans({"\u00e3": "\u00c3", "\u00e2": "\u00c2"})


def decoded(data: bytes, where: str) -> str:
    """A UTF-8 text, with or without BOM; `where` names its file.

    Raises `DataError`: another encoding is refused, for a guess could spoil every line.
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"{where}, line {line}: byte 0x{data[error.start]:02x} is not UTF-8; save the file as "
            "UTF-8"
        ) from error


def unspoiled(text: str) -> str:
    """The text, put right again where its UTF-8 was once read as another encoding.

    Word by word, for one that was read well can stand beside one that was not.
    """
    return text if text.isascii() else re.sub(r"\S+", lambda word: _reread(word[0]), text)


def _reread(word: str) -> str:
    for reading in (word, word.translate(_SMALL)):
        for encoding in _MISREADINGS:
            try:
                return reading.encode(encoding).decode()
            except UnicodeError:
                continue
    return word
