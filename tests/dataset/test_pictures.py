import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdexp.dataset.examination import examine_all
from sdexp.dataset.pictures import MAX_PIXELS, BadPicture, Verdict, read_picture
from sdexp.ground.store import Store, default_root
from tests.dataset.lossless import lossless_jpeg

ODD = Path(__file__).parents[3] / "shared" / "data" / "odd_images"
RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def corners(image: Image.Image) -> list[tuple[int, int, int]]:
    """Top left, top right, bottom left, bottom right."""
    right, bottom = image.width - 1, image.height - 1
    return [image.getpixel(xy) for xy in ((0, 0), (right, 0), (0, bottom), (right, bottom))]


def upright() -> Image.Image:
    image = Image.new("RGB", (48, 32))
    for color, (x, y) in {RED: (0, 0), GREEN: (24, 0), BLUE: (0, 16), WHITE: (24, 16)}.items():
        image.paste(color, (x, y, x + 24, y + 16))
    return image


def noise(width: int = 96, height: int = 64) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(values)


def png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    checked = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + checked + b"\0\0\x10\0IDAT"


def examine(path: Path) -> Verdict:
    return examine_all([path], Store(default_root()))[0]


def fault(path: Path) -> str:
    """The reason, which both ways of decoding must give."""
    verdict = examine(path)
    with pytest.raises(BadPicture) as caught:
        read_picture(path)
    assert verdict.fault is not None and verdict.repairs == ()
    return caught.value.reason


def repaired(path: Path) -> tuple[Image.Image, tuple[str, ...]]:
    picture, verdict = read_picture(path), examine(path)
    assert verdict.fault is None and verdict.repairs == picture.repairs
    assert picture.image.mode == "RGB" and verdict.size == picture.size == picture.image.size
    return picture.image, picture.repairs


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.tif", "a.webp", "misnamed.jpg"])
def test_a_sound_picture_is_unchanged(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    noise().save(path, "PNG" if name == "misnamed.jpg" else None, lossless=True)
    image, repairs = repaired(path)
    assert repairs == () and image.tobytes() == noise().tobytes()


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int, suffix: str) -> None:
    T = Image.Transpose
    undo = (None, T.FLIP_LEFT_RIGHT, T.ROTATE_180, T.FLIP_TOP_BOTTOM)
    undo += (T.TRANSPOSE, T.ROTATE_90, T.TRANSVERSE, T.ROTATE_270)
    turn = undo[orientation - 1]
    stored = upright() if turn is None else upright().transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a.{suffix}"
    if suffix == "tif":
        stored.save(path, tiffinfo={274: orientation})
    else:
        stored.save(path, exif=exif, quality=100)
    image, repairs = repaired(path)
    assert image.size == (48, 32)
    difference = np.array(corners(image), int) - np.array([RED, GREEN, BLUE, WHITE])
    assert abs(difference).max() < 12
    assert repairs == (() if orientation == 1 else (f"EXIF orientation {orientation} applied",))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path, suffix: str) -> None:
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / f"a.{suffix}")
    image, repairs = repaired(tmp_path / f"a.{suffix}")
    assert [image.getpixel((x, 0))[0] for x in range(4)] == [0, 1, 128, 255]
    assert repairs == ("16-bit grey scaled to 8 bit",)


def test_eight_bit_grey_in_sixteen_does_not_turn_black(tmp_path: Path) -> None:
    Image.fromarray(np.array([[0, 255]], np.uint16)).save(tmp_path / "a.png")
    image, repairs = repaired(tmp_path / "a.png")
    assert image.getpixel((1, 0)) == WHITE and "stored in 16 bit" in repairs[0]


def test_floating_point_grey_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "a.tif")
    assert "no known range" in fault(tmp_path / "a.tif")


@pytest.mark.parametrize("mode", ["1", "L"])
def test_grey_becomes_rgb(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (4, 4), 255).save(tmp_path / "a.png")
    image, repairs = repaired(tmp_path / "a.png")
    assert corners(image) == [WHITE] * 4 and repairs == ("grey converted to RGB",)


def test_cmyk_keeps_its_colours(tmp_path: Path) -> None:
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    image, repairs = repaired(tmp_path / "a.jpg")
    assert abs(np.array(corners(image), int) - RED).max() < 8
    assert repairs == ("CMYK converted to RGB",)


def test_alpha_lies_over_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    image.putpixel((0, 0), (*RED, 255))
    image.putpixel((3, 0), (0, 0, 0, 128))
    image.save(tmp_path / "a.png")
    image, repairs = repaired(tmp_path / "a.png")
    assert corners(image) == [RED, (127, 127, 127), WHITE, WHITE]
    assert repairs == ("transparency laid over white",)


def test_grey_with_alpha(tmp_path: Path) -> None:
    Image.new("LA", (4, 4), (0, 0)).save(tmp_path / "a.png")
    image, repairs = repaired(tmp_path / "a.png")
    assert corners(image) == [WHITE] * 4
    assert repairs == ("grey converted to RGB", "transparency laid over white")


@pytest.mark.parametrize("suffix", ["png", "gif"])
def test_palette_with_a_transparent_entry(tmp_path: Path, suffix: str) -> None:
    image = Image.new("P", (4, 4), 1)
    image.putpalette([*RED, *GREEN, *BLUE])
    image.putpixel((0, 0), 0)
    image.save(tmp_path / f"a.{suffix}", transparency=0)
    image, repairs = repaired(tmp_path / f"a.{suffix}")
    assert corners(image) == [WHITE, GREEN, GREEN, GREEN]
    assert repairs == ("palette converted to RGB", "transparency laid over white")


@pytest.mark.parametrize("suffix", ["gif", "webp", "tif", "png"])
def test_the_first_frame_is_taken(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in (RED, GREEN, BLUE)]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], lossless=True)
    image, repairs = repaired(tmp_path / f"a.{suffix}")
    assert corners(image) == [RED] * 4 and "first of 3 frames taken" in repairs


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("share", [0.005, 0.05, 0.3, 0.6, 0.9, 0.99])
def test_a_truncated_jpeg_is_found(tmp_path: Path, share: float, progressive: bool) -> None:
    buffer = BytesIO()
    noise(320, 240).save(buffer, "JPEG", progressive=progressive)
    data = buffer.getvalue()
    (tmp_path / "a.jpg").write_bytes(data[: max(1, int(len(data) * share))])
    assert any(word in fault(tmp_path / "a.jpg") for word in ("truncated", "not a picture"))


@pytest.mark.parametrize("suffix", ["png", "gif", "tif", "bmp", "webp"])
def test_other_truncated_files_are_found(tmp_path: Path, suffix: str) -> None:
    noise().save(tmp_path / f"b.{suffix}")
    data = (tmp_path / f"b.{suffix}").read_bytes()
    (tmp_path / f"a.{suffix}").write_bytes(data[: len(data) // 2])
    assert "truncated" in fault(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><html>not found</html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "a git-LFS pointer"),
        (b"# xet version 0\nfilesize = 5\n", "a xet pointer"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture is not read; convert it"),
        (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", "an AVIF picture is not read; convert it"),
        (b"\xff\x0a\xff\x07\x08", "a JPEG XL picture is not read; convert it"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", "EPS is refused"),
        (b"8BPS\0\1", "PSD is refused"),
        (b"\0" * 5000, "not a picture"),
        (png_header(9000, 10_000), "above the cap"),
        (png_header(60_000, 60_000), "above the cap"),
        (png_header(1, 1000), "one side is over"),
    ],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_what_is_no_picture_says_so(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "a.png").write_bytes(content)
    assert reason in fault(tmp_path / "a.png")


def test_a_preview_behind_a_photo_is_no_frame(tmp_path: Path) -> None:
    """As cameras write them."""
    path = tmp_path / "a.jpg"
    noise().save(path, "MPO", save_all=True, append_images=[noise(48, 32)])
    with Image.open(path) as image:
        assert image.format == "MPO" and image.n_frames == 2
    assert repaired(path)[1] == ()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_an_opaque_picture_has_no_transparency(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.png"
    image = noise().quantize(16) if mode == "P" else noise().convert(mode)
    image.save(path, **({"transparency": bytes([255] * 16)} if mode == "P" else {}))
    found, repairs = repaired(path)
    assert "transparency laid over white" not in repairs
    assert found.tobytes() == image.convert("RGB").tobytes()


def test_a_lossless_jpeg_is_read(tmp_path: Path) -> None:
    grey = np.asarray(noise().convert("L"))
    path = tmp_path / "a.jpg"
    path.write_bytes(lossless_jpeg(grey))
    image, repairs = repaired(path)
    assert repairs == ("grey converted to RGB",) and (np.asarray(image)[..., 0] == grey).all()


def test_the_cap_is_the_size_above_which_pillow_warns() -> None:
    assert MAX_PIXELS == Image.MAX_IMAGE_PIXELS


def test_missing_files_and_folders_are_bad_pictures(tmp_path: Path) -> None:
    assert fault(tmp_path) == "not a regular file"
    assert "No such file" in examine(tmp_path / "none.png").fault  # type: ignore[operator]


def test_a_changed_file_is_examined_again(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    noise().save(path)
    before = examine(path)
    path.write_bytes(b"")
    assert before.fault is None and examine(path).fault == "the file is empty"


@pytest.mark.skipif(not ODD.is_dir(), reason="the folder with real odd files is not here")
def test_real_odd_files() -> None:
    verdicts = {path.name: examine(path) for path in sorted(ODD.iterdir())}
    assert {name: v.repairs for name, v in verdicts.items() if v.fault is None} == {
        "chessboard_GRAY_U16.tif": ("8-bit grey stored in 16 bit converted to RGB",),
        "exif_Landscape_1.jpg": (),
        "exif_Landscape_6.jpg": ("EXIF orientation 6 applied",),
        "gray_camera.png": ("grey converted to RGB",),
        "green_palette.png": ("palette converted to RGB",),
        "palette_color.png": ("palette converted to RGB",),
    }
    # The pages of the TIFF are 64-bit floating point.
    assert {n for n, v in verdicts.items() if v.fault} == {"multipage_rgb.tif", "truncated.jpg"}
    first, sixth = (read_picture(ODD / f"exif_Landscape_{k}.jpg").image for k in (1, 6))
    assert np.abs(np.asarray(first, int) - np.asarray(sixth, int)).mean() < 8
