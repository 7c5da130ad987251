"""How files of pictures begin."""

# The suffix of a file by its first bytes.
SUFFIXES = {
    b"\xff\xd8": ".jpg",
    b"\x89PNG": ".png",
    b"GIF8": ".gif",
    b"RIFF": ".webp",
    b"BM": ".bmp",
    b"II*\0": ".tif",
    b"MM\0*": ".tif",
}


def picture_suffix(data: bytes) -> str | None:
    """The suffix of a picture's file; None for what begins like none."""
    found = [suffix for start, suffix in SUFFIXES.items() if data.startswith(start)]
    return found[0] if found else None
