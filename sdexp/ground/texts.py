"""Texts that people wrote into files."""

from sdexp.ground.errors import DataError


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
