from typing import Any

import pytest

from sdexp.dataset.selection import Column, Kind, Selection
from sdexp.ground.errors import DataError
from tests.dataset.hubs import STYLES

COLUMNS = {
    "image": Column(Kind.picture),
    "style": Column(Kind.label, STYLES),
    "artist": Column(Kind.label, ["Unknown Artist", "joaqu\u00e3\u00adn-sorolla"]),
    "text": Column(Kind.text),
    "year": Column(Kind.number),
    "boxes": Column(Kind.other),
}


def selection(**values: Any) -> Selection:
    facts: dict[str, Any] = {
        "path": "huggan/wikiart",
        "revision": None,
        "config_name": None,
        "image_column": "image",
        "caption_column": "text",
        "caption_template": None,
        "where": {},
        "max_pictures": None,
    }
    return Selection(**(facts | values))


def worded(template: str) -> Selection:
    return selection(caption_column=None, caption_template=template)


def test_labels_become_words() -> None:
    row = {"style": 2, "artist": 1}
    made = worded("a {style} by {artist}").captions(row, COLUMNS)
    assert made == "a Pop Art by joaqu\u00edn sorolla"


def test_unknown_labels_are_no_names() -> None:
    made = worded("a painting by {artist}").captions({"artist": 0}, COLUMNS)
    assert made == "a painting by an unknown artist"


def test_labels_as_captions_are_words_too() -> None:
    by_style = selection(caption_column="style")
    assert by_style.captions({"style": 2}, COLUMNS) == ["Pop Art"]
    assert by_style.captions({"style": [0, 2]}, COLUMNS) == ["Cubism", "Pop Art"]
    assert by_style.captions({"style": None}, COLUMNS) is None


def test_a_template_with_a_missing_word_gives_no_caption() -> None:
    assert worded("a {style} of {text}").captions({"style": 1, "text": None}, COLUMNS) is None


def test_a_column_gives_captions_as_they_are() -> None:
    assert selection().captions({"text": ["a", "b"]}, COLUMNS) == ["a", "b"]


def test_rows_are_taken_by_the_names_of_labels_and_by_values() -> None:
    both = selection(where={"style": "Impressionism", "text": "7"})
    assert both.takes({"style": 1, "text": 7}, COLUMNS)
    assert not both.takes({"style": 2, "text": 7}, COLUMNS)
    assert not both.takes({"style": 1, "text": 8}, COLUMNS)
    one = selection(where={"style": "Pop_Art"})
    assert one.takes({"style": [0, 2]}, COLUMNS) and not one.takes({"style": [0, 1]}, COLUMNS)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"image_column": "img"}, r"dataset.image_column: huggan/wikiart has no column 'img'; it"),
        ({"caption_column": "title"}, r"dataset.caption_column: .* no column 'title'"),
        ({"caption_column": "image"}, "holds pictures; name one that holds text or labels"),
        ({"caption_column": "year"}, "holds numbers; name one that holds text or labels"),
        (
            {"caption_column": None, "caption_template": "x {boxes}"},
            "dataset.caption_template: the column 'boxes' .* holds something else",
        ),
        ({"image_column": "text"}, "dataset.image_column: .* holds text; name one that holds pict"),
        ({"where": {"boxes": "x"}}, "dataset.where: the column 'boxes' .* holds something else"),
        ({"where": {"title": "x"}}, r"dataset.where: .* has no column 'title'"),
        (
            {"where": {"style": "Impresionism"}},
            r"dataset.where.style=Impresionism: .* did you mean 'Impressionism'\?",
        ),
    ],
)
def test_what_the_set_lacks_is_named(values: dict[str, Any], told: str) -> None:
    with pytest.raises(DataError, match=told):
        selection(**values).check(COLUMNS)


@pytest.mark.parametrize(
    "template", ["no column", "{", "{style.names}", "{style!r}", "{0}", "{a:5}"]
)
def test_a_template_that_cannot_be_filled_is_refused(template: str) -> None:
    with pytest.raises(ValueError, match="dataset.caption_template="):
        worded(template)


@pytest.mark.parametrize("template", [None, "{style}"])
def test_captions_come_from_one_place(template: str | None) -> None:
    with pytest.raises(ValueError, match="set one of them"):
        selection(caption_column=None if template is None else "text", caption_template=template)


def test_other_rows_have_another_digest() -> None:
    assert selection().digest == selection().digest != selection(max_pictures=5).digest
