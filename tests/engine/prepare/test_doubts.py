import pytest

from sdexp.engine.prepare.doubts import Captioned, doubts


def none_long(captions: list[str]) -> list[bool]:
    return [False] * len(captions)


def reasons(caption: str) -> list[str]:
    return [one.reason for one in doubts([Captioned("train", "a", caption)], none_long)]


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A", ["fewer than 3 words"]),
        ("1 2 3", ["no letter in it"]),
        ("they\u00e2\u20ac\u2122re at home", ["misread UTF-8: they\u2019re at home"]),
        ("a caf\ufffd at night", ["a character that was lost"]),
        ("see it at http://x.org now", ["markup or an address in it"]),
        ("salt &amp; pepper shakers", ["markup or an address in it"]),
        ("the photo dsc_0042 of me", ["a file name in it"]),
        ("holiday in rome.jpeg of mine", ["a file name in it"]),
        ("a dog, a cat & a mouse < a house", []),
        ("Ein Caf\u00e9 in S\u00e3o Paulo", []),
        ("\u4e00\u53ea\u732b\u5728\u684c\u5b50\u4e0a", []),
        (
            "caf\u00e9 at home, they\u00e2\u20ac\u2122re open",
            ["misread UTF-8: caf\u00e9 at home, they\u2019re open"],
        ),
    ],
)
def test_each_kind_of_doubt(caption: str, expected: list[str]) -> None:
    assert reasons(caption) == expected


def test_what_several_pictures_share_describes_none() -> None:
    rows = [Captioned("train", name, "a nice photo") for name in "abc"]
    twice = [Captioned("test", name, "another nice photo") for name in "ab"]
    found = doubts([*rows, *rows[:1], *twice], none_long)
    assert {one.reason for one in found} == {"the same for several pictures: 3"}
    assert [one.sample_id for one in found] == ["a", "b", "c", "a"]


def test_what_a_text_encoder_cuts_is_named() -> None:
    rows = [Captioned("train", "a", "one two three"), Captioned("train", "b", "four five six")]
    found = doubts(rows, lambda captions: [caption.startswith("four") for caption in captions])
    assert [(one.sample_id, one.reason) for one in found] == [
        ("b", "longer than the text encoder reads")
    ]
