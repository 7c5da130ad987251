from sdexp.ground.audit_records import Doubt


def test_reasons_are_counted_without_what_is_particular() -> None:
    assert Doubt("train", "a.jpg", "x", "misread UTF-8: y").kind == "misread UTF-8"
    assert Doubt("train", "a.jpg", "x", "no letter in it").kind == "no letter in it"
