import pytest

from sdexp.ground.errors import DataError
from sdexp.ground.texts import decoded, unspoiled


def test_a_mark_at_the_beginning_is_no_text() -> None:
    assert decoded("\ufeffcaf\u00e9\n".encode(), "x") == decoded("caf\u00e9\n".encode(), "x")


def test_another_encoding_is_named_by_line_and_byte() -> None:
    with pytest.raises(DataError, match="^x.txt, line 2: byte 0xe9 is not UTF-8; save the file as"):
        decoded(b"a\ncaf\xe9\n", "x.txt")


@pytest.mark.parametrize(
    ("spoiled", "meant"),
    [
        ("they\u00e2\u20ac\u2122re", "they\u2019re"),
        ("F\u00c3\u00a9lix", "F\u00e9lix"),
        ("joaqu\u00e3\u00adn-sorolla", "joaqu\u00edn-sorolla"),
    ],
)
def test_misread_utf8_is_put_right(spoiled: str, meant: str) -> None:
    assert unspoiled(spoiled) == meant


@pytest.mark.parametrize(
    "text", ["na\u00efve caf\u00e9", "S\u00e3o Paulo", "\u65e5\u672c", "100 \u20ac", "plain"]
)
def test_what_was_read_well_stays(text: str) -> None:
    assert unspoiled(text) == text
