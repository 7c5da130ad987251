"""Tables as comma-separated text."""

import csv
import io
from collections.abc import Iterable, Sequence


def csv_text(heads: Sequence[object], rows: Iterable[Sequence[object]]) -> str:
    """A line of heads and one for each row; what holds a comma, quote or newline is quoted."""
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(heads)
    table.writerows(rows)
    return text.getvalue()
