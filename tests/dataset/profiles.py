"""Colour profiles, made by the format's published layout (ICC.1:2004)."""

import struct
from itertools import product

D50 = (0.9642, 1.0, 0.8249)
# Adobe RGB (1998), adapted to D50.
WIDE = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7448))
GAMMA = 2.19921875


def _fixed(*values: float) -> bytes:
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def _profile(kind: bytes, space: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    padded = {name: data + b"\0" * (-len(data) % 4) for name, data in tags.items()}
    table = struct.pack(">I", len(tags))
    offset = 128 + 4 + 12 * len(tags)
    for name, data in padded.items():
        table += name + struct.pack(">II", offset, len(data))
        offset += len(data)
    header = struct.pack(">I4sI4s4s4s", offset, b"", 0x02400000, kind, space, pcs)
    header += b"\0" * 12 + b"acsp" + b"\0" * 28 + _fixed(*D50)
    return header.ljust(128, b"\0") + table + b"".join(padded.values())


def _description(name: str) -> bytes:
    text = name.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 78


def _curve() -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(GAMMA * 256))


def wide_rgb() -> bytes:
    """Red, green and blue of Adobe RGB."""
    tags = {b"desc": _description("Wide"), b"wtpt": b"XYZ \0\0\0\0" + _fixed(*D50)}
    for letter, primary in zip(b"rgb", WIDE, strict=True):
        tags[bytes([letter]) + b"XYZ"] = b"XYZ \0\0\0\0" + _fixed(*primary)
        tags[bytes([letter]) + b"TRC"] = _curve()
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def dark_grey() -> bytes:
    """Grey that is linear, and so much lighter than its numbers."""
    tags = {
        b"desc": _description("Linear grey"),
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(*D50),
        b"kTRC": b"curv\0\0\0\0" + struct.pack(">IH", 1, 256),
    }
    return _profile(b"mntr", b"GRAY", b"XYZ ", tags)


def print_inks() -> bytes:
    """CMYK whose lightness is 100 less 25 for each ink, without colour."""
    nodes = bytearray()
    for inks in product((0, 1), repeat=4):
        nodes += bytes([round((100 - 25 * sum(inks)) * 2.55), 128, 128])
    ramp = bytes(range(256))
    lut = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    lut += ramp * 4 + bytes(nodes) + ramp * 3
    tags = {b"desc": _description("Grey inks"), b"A2B0": lut}
    return _profile(b"prtr", b"CMYK", b"Lab ", tags)
