from sdexp.pages.prepare.figures import histogram


def test_equal_numbers_give_equal_bytes() -> None:
    counts = {300: 5, 512: 40, 800: 7}
    assert histogram("a", "A", counts, 512) == histogram("a", "A", counts, 512)
    assert histogram("a", "A", counts, 512) != histogram("a", "A", counts)


def test_one_value_is_a_bar_too() -> None:
    assert histogram("a", "A", {1.5: 12}).startswith("<svg")
