import math
from pathlib import Path

import pytest

from sdexp.dataset.base import Finding
from sdexp.dataset.captions import CaptionBook, read_rows, read_text
from sdexp.ground.errors import DataError


def rows(path: Path, text: str | bytes, column: str = "text") -> tuple[list, CaptionBook]:
    book = CaptionBook()
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_rows(path, path.name, column, book), book


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "missing"),
        (math.nan, "missing"),
        ("", "empty"),
        (" \n", "empty"),
        ("NaN", "only the word"),
        (42, "is a int, not text"),
        ({"en": "a"}, "is a dict, not text"),
        ("a\0b", "no text"),
        ("\ud800", "no text"),
    ],
)
def test_what_is_no_caption_is_named_once(value: object, reason: str) -> None:
    book = CaptionBook()
    book.add("a.png", value)
    assert book.listing({"a.png": Path("a.png")}, ["a.png"]).entries == []
    (finding,) = book.findings.dropped
    assert finding.item == "a.png" and reason in finding.reason


def test_captions_of_one_picture_are_gathered_in_order() -> None:
    book = CaptionBook()
    book.add("a.png", " one ")
    book.add("b.png", "other")
    book.add("a.png", ["two", "", "one", "three"])
    book.add("gone.png", "nothing")
    listing = book.listing({name: Path(name) for name in ("a.png", "b.png", "c.png")}, ["c.png"])
    assert [(e.sample_id, e.captions) for e in listing.entries] == [
        ("a.png", ("one", "two", "three")),
        ("b.png", ("other",)),
    ]
    assert listing.findings.repaired == [Finding("a.png", "a repeated caption merged", "row")]
    assert [finding.item for finding in listing.findings.dropped] == ["a.png", "gone.png", "c.png"]


def test_a_damaged_line_is_named_by_its_number(tmp_path: Path) -> None:
    text = '\ufeff{"file_name": "a.png", "text": "x"}\r\n\n{"file_na\n[1]\n' + "[" * 100_000
    found, book = rows(tmp_path / "metadata.jsonl", text)
    assert found == [{"file_name": "a.png", "text": "x"}]
    items = [finding.item for finding in book.findings.dropped]
    assert items == [f"metadata.jsonl:{number}" for number in (3, 4, 5)]


def test_csv_with_bom_quotes_and_ragged_rows(tmp_path: Path) -> None:
    text = '\ufefffile_name, text\na.png,"one, two ""three""\nfour"\nb.png\nc.png,x,y\n'
    found, _ = rows(tmp_path / "metadata.csv", text)
    assert [row["file_name"] for row in found] == ["a.png", "b.png", "c.png"]
    assert [row["text"] for row in found] == ['one, two "three"\nfour', None, "x"]


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_a_missing_column_is_an_error(tmp_path: Path, name: str) -> None:
    csv = name.endswith("csv")
    text = "file_name,caption\na.png,x\n" if csv else '{"file_name": "a.png", "caption": "x"}'
    with pytest.raises(DataError, match=r"caption_column=text: .* no column 'text'; .*caption"):
        rows(tmp_path / name, text)
    with pytest.raises(DataError, match="no column 'file_name'; it has: caption, name"):
        rows(tmp_path / name, text.replace("file_name", "name"))


def test_another_encoding_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"metadata.csv, line 2: byte 0xe9 is not UTF-8"):
        rows(tmp_path / "metadata.csv", "file_name,text\na.png,caf\xe9\n".encode("latin-1"))


def test_a_caption_too_long_for_csv_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="line 2: field larger"):
        rows(tmp_path / "metadata.csv", f"file_name,text\na.png,{'x' * 200_000}\n")


def test_a_pointer_is_no_metadata(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(DataError, match="git-LFS pointer"):
        read_text(tmp_path / "a")
    with pytest.raises(DataError, match="No such file"):
        read_text(tmp_path / "b")
