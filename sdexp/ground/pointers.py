"""Small files that stand for large ones which were not fetched."""

POINTERS = {
    b"version https://git-lfs": "a git-LFS pointer",
    b"# xet version": "a xet pointer",
}
# Fetches what either kind stands for.
FETCH = "get it by `git lfs pull`"


def pointer(data: bytes) -> str | None:
    """What kind of pointer a file is, by how it begins; None where it is none."""
    for start, kind in POINTERS.items():
        if data.startswith(start):
            return kind
    return None
