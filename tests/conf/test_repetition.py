"""A value stands in one file of conf/, and others inherit it."""

import re
from collections import defaultdict
from pathlib import Path

from sdexp.launch.files import CONF

LARGEST_SHARE = 0.20


def key_lines(file: Path) -> list[str]:
    """Lines that give a key a value, without their comments."""
    lines = [line.split("#")[0].strip() for line in file.read_text().splitlines()]
    return [line for line in lines if re.match(r"[\w./]+: \S", line)]


def test_few_values_stand_in_two_files() -> None:
    where: dict[str, set[Path]] = defaultdict(set)
    lines = [(line, file) for file in CONF.rglob("*.yaml") for line in key_lines(file)]
    for line, file in lines:
        where[line].add(file)
    repeated = [line for line, _ in lines if len(where[line]) > 1]
    assert len(repeated) / len(lines) <= LARGEST_SHARE, sorted(set(repeated))
