"""What an original is known by, from one command to the next."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import diffusers
import numpy as np
import transformers

from sdexp.ground.errors import DataError
from sdexp.ground.fingerprints import SeenFile
from sdexp.ground.store import Store, digest
from sdexp.model.base import LoadedModel

KIND = "fingerprints"


class Identity:
    """Fingerprints of an original, of which those of large files need not be waited for.

    A file is recognised by its place, size and time of change, and its network then has the
    fingerprint that was measured when it was first seen. Its bytes are read meanwhile on another
    thread; `verify` waits for that, and stands before whatever is kept.

    prints: as `LoadedModel.fingerprints` gives them, before anything is attached to the model.
    """

    def __init__(self, model: LoadedModel, store: Store) -> None:
        self._store = store
        networks = model.modules()
        self._files = {name: file for name, file in model.files().items() if name in networks}
        settings = {name: one.settings for name, one in model.components().items()}
        self._keys = {name: _key(file, settings[name]) for name, file in self._files.items()}
        found = {name: store.get(KIND, key) for name, key in self._keys.items()}
        self._known = {name: entry for name, entry in found.items() if entry is not None}
        model.recall(
            {name: entry["network"].tobytes().hex() for name, entry in self._known.items()}
        )
        self.prints = dict(model.fingerprints())
        self._hashes = self._begin()

    def _begin(self) -> dict[str, Future[bytes]]:
        """Read the files, the smallest first: that of the pictures' encoder is asked for early."""
        reader = ThreadPoolExecutor(1, "identity")
        order = sorted(self._files, key=lambda name: self._files[name].size)
        hashes = {name: reader.submit(_sha256, self._files[name].path) for name in order}
        reader.shutdown(wait=False)
        return hashes

    def verify(self, names: Iterable[str] | None = None) -> None:
        """Wait until the files of these networks, or of all, are known to be what they were.

        Raises `DataError` for one with other bytes under the same size and time, and forgets it.
        """
        for name in self._hashes if names is None else [n for n in names if n in self._hashes]:
            own = self._hashes[name].result()
            if name not in self._known:
                self._remember(name, own)
            elif self._known[name]["file"].tobytes() != own:
                self._store.path(KIND, self._keys[name]).unlink(missing_ok=True)
                raise DataError(
                    f"{self._files[name].path}: changed under the same size and time, so that it "
                    "was taken for another; start again"
                )

    def _remember(self, name: str, own: bytes) -> None:
        parts = {"network": bytes.fromhex(self.prints[name]), "file": own}
        entry = {part: np.frombuffer(value, np.uint8) for part, value in parts.items()}
        self._known[name] = entry
        # What was replaced meanwhile may have given other bytes than those that were read.
        if SeenFile.of(self._files[name].path) == self._files[name]:
            self._store.put(KIND, self._keys[name], entry)


def _key(file: SeenFile, settings: str) -> str:
    """By what a file is recognised; reading it depends on the libraries too."""
    versions = [diffusers.__version__, transformers.__version__]
    return digest(str(file.path), *map(str, file.facts), settings, *versions)


def _sha256(file: Path) -> bytes:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").digest()
