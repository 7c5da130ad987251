"""Tables of captions in every form, with every fault that is known of them."""

import pytest

from sdexp.dataset.captions import CaptionBook
from sdexp.dataset.tables import read_captions
from sdexp.ground.errors import DataError


def read(text: str) -> tuple[dict[str, list[str]], CaptionBook]:
    book = CaptionBook()
    read_captions("t", text, book)
    return book._captions, book


@pytest.mark.parametrize(
    "text",
    [
        "image_name| comment_number| comment\na.jpg| 0| One .\na.jpg| 1| Two .\n",
        "a.jpg| 0| One .\na.jpg| 1| Two .",
        "image,caption\r\na.jpg,One .\r\na.jpg,Two .\r\n",
        "caption,image\nOne .,a.jpg\nTwo .,a.jpg",
        "image_name,comment_number,comment\na.jpg,0,One .\na.jpg,1,Two .",
        "a.jpg#0\tOne .\na.jpg#1\tTwo .\n",
    ],
)
def test_the_same_in_every_form(text: str) -> None:
    captions, book = read(text)
    assert captions == {"a.jpg": ["One .", "Two ."]}
    assert book.findings.dropped == book.findings.repaired == []


def test_lines_that_are_none_are_named() -> None:
    rows = {
        "a.jpg| 0| x\nb.jpg\n": ("t:2", "the line is not 'image_name| comment_number| comment'"),
        "a.jpg#0\tx\nb.jpg x\n": ("t:2", "the line is not 'name#number<tab>caption'"),
        "image,n,caption\na.jpg,0,x\nb.jpg,1\n": ("t:3", "the line has 2 cells, the header 3"),
    }
    for text, expected in rows.items():
        captions, book = read(text)
        assert captions == {"a.jpg": ["x"]}
        (finding,) = book.findings.dropped
        assert (finding.item, finding.reason) == expected and finding.unit == "row"


def test_quotes_and_commas_are_told_apart() -> None:
    captions, book = read('image,caption\na.jpg,"A , B"\nb.jpg,A , B\nc.jpg,""\n')
    assert captions == {"a.jpg": ["A , B"], "b.jpg": ["A , B"], "c.jpg": []}
    (finding,) = book.findings.repaired
    assert finding.item == "t:3"
    # Quotes quote nothing where bars part the cells.
    assert read('a.jpg| 0| The " white out "\n')[0] == {"a.jpg": ['The " white out "']}


def test_a_header_without_the_columns_is_refused() -> None:
    with pytest.raises(DataError, match="t: no column caption; its first line has: image, words"):
        read("image,words\na.jpg,x\n")
    with pytest.raises(DataError, match="t: no column image; its first line has: nothing"):
        read("")
    with pytest.raises(DataError, match="t, line"):
        read("image,caption\na.jpg," + "x" * 200_000)


def test_no_row_vanishes_without_a_word() -> None:
    captions, _ = read("image1.jpg| 0| x\nphoto.jpg| 0| y\n")
    assert captions == {"image1.jpg": ["x"], "photo.jpg": ["y"]}
    captions, book = read('image,caption\na.jpg,"A man\nb.jpg,x\nc.jpg,y\n')
    assert captions == {}
    (finding,) = book.findings.dropped
    assert finding.reason == "a quote is not closed; 4 lines are lost"
