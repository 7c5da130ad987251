import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdexp.ground.mapped import let_go

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of its pages")
NUMBERS = 8 * 2**20


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = (tmp_path / "numbers.safetensors").resolve()
    save_file({"numbers": torch.arange(NUMBERS, dtype=torch.float32)}, path)
    return path


def resident(file: Path) -> int:
    """Bytes of memory that the system counts for mappings of a file."""
    total = 0
    inside = False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        first, _, rest = line.partition(" ")
        if not first.endswith(":"):
            inside = rest.endswith(str(file))
        elif inside and first == "Rss:":
            total += int(rest.split()[0]) * 1024
    return total


def test_what_is_given_back_is_found_again(file: Path) -> None:
    numbers = load_file(file)["numbers"]
    total = numbers.double().sum()
    assert resident(file) >= numbers.nbytes
    let_go(file)
    assert resident(file) == 0
    assert numbers.double().sum() == total


def test_a_changed_number_is_never_lost(file: Path) -> None:
    numbers = load_file(file)["numbers"]
    numbers[NUMBERS // 2] = -1
    let_go(file)
    assert numbers[NUMBERS // 2] == -1
    assert numbers[0] == 0


def test_other_files_stay_in_memory(file: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file({"numbers": torch.ones(NUMBERS)}, other)
    numbers = load_file(other)["numbers"]
    assert numbers.sum() == NUMBERS
    let_go(file)
    assert resident(other) >= numbers.nbytes


def test_nothing_happens_where_the_system_does_not_tell(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = load_file(file)["numbers"]
    assert numbers.sum() > 0
    monkeypatch.setattr("sdexp.ground.mapped.MAPPINGS", tmp_path / "none")
    let_go(file)
    assert resident(file) >= numbers.nbytes
