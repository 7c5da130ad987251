from sdexp.pages.environment import markdown_cell


def test_cells_are_one_line() -> None:
    assert markdown_cell("a\nb  c") == "a b c"
