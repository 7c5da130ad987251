from sdexp.ground.pointers import pointer


def test_pointers_are_told_by_how_they_begin() -> None:
    assert pointer(b"version https://git-lfs.github.com/spec/v1\n") == "a git-LFS pointer"
    assert pointer(b"# xet version 0\n") == "a xet pointer"
    assert pointer(b"") is None and pointer(b"\x89PNG") is None
