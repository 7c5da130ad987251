import pytest

from sdexp.ground.errors import DataError
from sdexp.ground.texts import decoded


def test_a_mark_at_the_beginning_is_no_text() -> None:
    assert decoded("\ufeffcaf\u00e9\n".encode(), "x") == decoded("caf\u00e9\n".encode(), "x")


def test_another_encoding_is_named_by_line_and_byte() -> None:
    with pytest.raises(DataError, match="^x.txt, line 2: byte 0xe9 is not UTF-8; save the file as"):
        decoded(b"a\ncaf\xe9\n", "x.txt")
