import csv
import io

from sdexp.ground.csv_texts import csv_text


def test_every_text_comes_back() -> None:
    rows = [["a, b", 'says "c"'], ["two\nlines", ""], ["", "caf\u00e9"]]
    text = csv_text(["x", "y"], rows)
    assert list(csv.reader(io.StringIO(text, newline=""))) == [["x", "y"], *rows]
    assert csv_text(["x"], []) == "x\n"
