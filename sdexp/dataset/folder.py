"""What lies in a folder of pictures."""

import filecmp
import os
import posixpath
from pathlib import Path

from sdexp.dataset.captions import CaptionBook, printable
from sdexp.ground.errors import DataError

READ = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
# Pictures all the same, which are named as what they are.
NOT_READ = (".heic", ".heif", ".avif", ".jxl", ".jp2", ".psd", ".svg", ".dng", ".cr2", ".nef")
SUFFIXES = {*READ, *NOT_READ}
HERE = Path()
# What every folder that a command of ours writes has; its pictures are no data.
RUN = {"config.yaml", ".lock"}


def check_folder(data_dir: str, content: str) -> Path:
    """The folder as a path; raises `DataError` when it does not exist."""
    root = Path(data_dir).expanduser()
    if root.is_dir() and not os.access(root, os.R_OK | os.X_OK):
        raise DataError(
            f"dataset.data_dir={data_dir}: the folder cannot be read; change its rights"
        )
    if not root.is_dir():
        state = "is not a folder" if root.exists() else "the folder does not exist"
        raise DataError(
            f"dataset.data_dir={data_dir}: {state}; put {content} there, "
            "or set dataset.data_dir=..."
        )
    return root


def scan(root: Path, book: CaptionBook) -> dict[str, Path]:
    """All files below `root` by their POSIX path in it, sorted; links are followed once.

    Hidden pictures, folders of runs or that cannot be read, and names that are no text are noted.
    """
    found: dict[str, Path] = {}
    seen: set[str] = set()

    def unreadable(error: OSError) -> None:
        name = Path(error.filename).relative_to(root).as_posix()
        book.lose(f"{name}/", f"the folder cannot be read: {error.strerror}")

    for folder, folders, names in os.walk(root, followlinks=True, onerror=unreadable):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        inside = Path(folder).relative_to(root)
        if inside != HERE and RUN.issubset(names):
            book.drop(f"{inside.as_posix()}/", "the folder of a run is not read")
            folders.clear()
            continue
        for name in names:
            # Strings, because making paths of many thousand names takes seconds.
            inner = name if inside == HERE else f"{inside.as_posix()}/{name}"
            if name.startswith("."):
                _note_hidden(inner, book)
            elif printable(inner) != inner:
                book.lose(inner, "the file's name is not UTF-8")
            else:
                found[inner] = Path(folder, name)
    return dict(sorted(found.items()))


def _note_hidden(name: str, book: CaptionBook) -> None:
    # macOS leaves a `._name` beside every file that it copies.
    if is_picture(name) and not posixpath.basename(name).startswith("._"):
        book.drop(name, "a hidden file is not read")


def is_picture(name: str) -> bool:
    """Whether a file should be one, by its suffix."""
    return posixpath.splitext(name)[1].lower() in SUFFIXES


def by_file_name(files: dict[str, Path], book: CaptionBook) -> dict[str, Path]:
    """Pictures by their file names alone; archives nest their folder, and some repeat it whole.

    Two different pictures of one name are lost, because captions could not tell them apart.
    """
    same: dict[str, list[Path]] = {}
    for name in sorted(pictures_in(files), key=lambda name: (name.count("/"), name)):
        same.setdefault(posixpath.basename(name), []).append(files[name])
    for name, paths in sorted(same.items()):
        if not all(filecmp.cmp(paths[0], path, shallow=False) for path in paths[1:]):
            book.lose(name, f"{len(paths)} different pictures have this name")
            del same[name]
    return {name: paths[0] for name, paths in sorted(same.items())}


def pictures_in(files: dict[str, Path]) -> list[str]:
    """The names of those that should be pictures."""
    return [name for name in files if is_picture(name)]
