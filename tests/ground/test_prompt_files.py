"""Prompts in files."""

from pathlib import Path

import pytest

from sdexp.ground.errors import DataError
from sdexp.ground.prompt_files import read_prompt, read_prompts


def test_each_line_is_a_prompt(tmp_path: Path) -> None:
    file = tmp_path / "p.txt"
    file.write_bytes('\ufeffa cat, on a mat\r\n\r\n  it\'s "red" {x}=y  \n'.encode())
    assert read_prompts("prompts", str(file)) == ["a cat, on a mat", 'it\'s "red" {x}=y']
    assert read_prompt("prompt", str(file)) == 'a cat, on a mat it\'s "red" {x}=y'


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "holds no prompt"),
        (b" \n\n", "holds no prompt"),
        (b"a\nb\na\n", "line 3: repeats an earlier prompt"),
        (b"a\ncaf\xe9\n", "line 2: byte 0xe9 is not UTF-8"),
        (None, "cannot be read \\(No such file"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "p.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=f"prompts={file}.*{words}"):
        read_prompts("prompts", str(file))


def test_an_empty_file_is_no_prompt(tmp_path: Path) -> None:
    (tmp_path / "p.txt").touch()
    with pytest.raises(DataError, match="prompt=@.*holds no prompt"):
        read_prompt("prompt", str(tmp_path / "p.txt"))
