"""What decoding every picture of a data set showed, remembered between starts."""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import PIL

from sdexp.dataset.pictures import BadPicture, Verdict, examine, read_bytes
from sdexp.ground.progress import Progress
from sdexp.ground.store import Store, digest

KIND = "examined"
# Another number when other pictures are refused or repaired than before.
RULES = "1"
# A kill loses no more than so many.
CHUNK = 2000
# Fewer take no time worth a word.
TELLING = 500

# Size, time of change and inode of a file.
Stamp = tuple[int, int, int]
Index = dict[str, tuple[Stamp, Verdict]]


def examine_all(paths: Sequence[Path], store: Store) -> list[Verdict]:
    """A verdict for each file; those that did not change since an earlier start are not read.

    The index lies in the store by the folder that the files share. One process reads, others that
    ask meanwhile wait for it.
    """
    if not paths:
        return []
    # Strings: making and hashing paths of many thousand names takes seconds.
    names = [str(path) for path in paths]
    shared = os.path.commonpath({os.path.dirname(name) for name in names})
    key = digest(RULES, PIL.__version__, shared)
    verdicts = _known(names, _load(store, key))
    if len(verdicts) < len(set(names)):
        # A store that may only be read serves where nothing is new.
        with store.lock(KIND, key, wait=True):
            verdicts = _all(names, store, key)
    return [verdicts[name] for name in names]


def _known(names: Sequence[str], index: Index) -> dict[str, Verdict]:
    """Verdicts of files that have not changed since."""
    return {
        name: index[name][1] for name in names if name in index and index[name][0] == _stamp(name)
    }


def _all(names: Sequence[str], store: Store, key: str) -> dict[str, Verdict]:
    """Verdicts of all files; what is new is noted on the way."""
    index = _load(store, key)
    verdicts = _known(names, index)
    stamps = {name: _stamp(name) for name in names if name not in verdicts}
    for found in _examined(
        list(stamps), {verdict.sha256: verdict for _, verdict in index.values()}
    ):
        verdicts |= found
        for name, verdict in found.items():
            stamp = stamps[name]
            # What could not be read may be readable the next time.
            if stamp is not None and verdict.sha256:
                index[name] = (stamp, verdict)
        _save(store, key, index)
    return verdicts


def _stamp(name: str) -> Stamp | None:
    """None for a file that cannot be reached."""
    try:
        status = os.stat(name)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino


def _examined(names: Sequence[str], known: dict[str, Verdict]) -> Iterator[dict[str, Verdict]]:
    """Verdicts in chunks; known: those of contents that were seen under other names."""
    progress = Progress("examining pictures", len(names), 0, len(names) >= TELLING)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for start in range(0, len(names), CHUNK):
            chunk = names[start : start + CHUNK]
            found = {}
            for name, verdict in zip(chunk, pool.map(partial(_verdict, known), chunk), strict=True):
                found[name] = verdict
                progress.advance("")
            yield found
    progress.close()


def _verdict(known: dict[str, Verdict], name: str) -> Verdict:
    try:
        data = read_bytes(Path(name))
    except BadPicture as bad:
        return Verdict("", (0, 0), (), bad.reason)
    sha256 = hashlib.sha256(data).hexdigest()
    return known[sha256] if sha256 in known else examine(data, sha256)


def _load(store: Store, key: str) -> Index:
    arrays = store.get(KIND, key)
    return {} if arrays is None else dict(_parsed(arrays["index"].tobytes()))


@lru_cache(maxsize=1)
def _parsed(text: bytes) -> Index:
    """Remembered, because each of the three splits of a data set asks for it."""
    rows = json.loads(text)
    return {
        name: ((size, mtime, inode), Verdict(sha256, (width, height), tuple(repairs), fault))
        for name, (size, mtime, inode, sha256, width, height, repairs, fault) in rows.items()
    }


def _save(store: Store, key: str, index: Index) -> None:
    rows = {
        name: [*stamp, verdict.sha256, *verdict.size, verdict.repairs, verdict.fault]
        for name, (stamp, verdict) in index.items()
    }
    text = json.dumps(rows).encode()
    store.put(KIND, key, {"index": np.frombuffer(text, np.uint8)})
