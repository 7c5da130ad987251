"""What an original is known by, from one command to the next."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress

import diffusers
import numpy as np
import transformers
from torch import Tensor

from sdexp.ground.errors import DataError, DiskError
from sdexp.ground.fingerprints import NetworkState, SeenFile
from sdexp.ground.store import Store, digest
from sdexp.model.base import LoadedModel

KIND = "fingerprints"


class Identity:
    """Fingerprints of an original, which no first step waits for.

    They are measured on another thread. A file that was read before, known by place, size and
    times, gives at once what was measured of its network then. `verify` waits for the measuring,
    and stands before whatever is kept. For a model to which nothing is attached yet.
    """

    def __init__(self, model: LoadedModel, store: Store) -> None:
        self._store = store
        self._settings = model.settings_prints()
        self._files = model.files()
        components = model.components()
        self._keys = {n: _key(f, components[n].settings) for n, f in self._files.items()}
        found = {name: store.get(KIND, key) for name, key in self._keys.items()}
        self._known = {n: _print(entry["network"]) for n, entry in found.items() if entry}
        model.recall(self._known)
        states = model.states()
        self._places = {n: _places(state.tensors.values()) for n, state in states.items()}
        self._measured = _measure(states)

    @property
    def prints(self) -> dict[str, str]:
        """As `LoadedModel.fingerprints` gives them; waits for those that nobody remembers."""
        networks = {n: self._known.get(n) or self._measured[n].result() for n in self._measured}
        return networks | self._settings

    def verify(self, names: Iterable[str] | None = None) -> None:
        """Wait until these networks, or all, are known to be what they were taken for.

        Raises `DataError` for a file with other weights under the same size and times, and forgets
        it.
        """
        for name in self._measured if names is None else names:
            if name not in self._measured:
                continue
            measured = self._measured[name].result()
            if self._known.setdefault(name, measured) != measured:
                self._store.path(KIND, self._keys[name]).unlink(missing_ok=True)
                raise DataError(
                    f"{self._files[name].path}: changed under the same size and times, so that it "
                    "was taken for another; start again"
                )
            self._remember(name)

    def verify_before(self, change: Iterable[Tensor]) -> None:
        """`verify` the networks that some of these tensors, about to change, belong to."""
        places = _places(change)
        self.verify([name for name, own in self._places.items() if own & places])

    def _remember(self, name: str) -> None:
        """Unless the file is another by now: its bytes may not be those that were read."""
        if name not in self._files or self._store.holds(KIND, self._keys[name]):
            return
        value = np.frombuffer(bytes.fromhex(self._known[name]), np.uint8)
        # The file may have gone, and the store be full: then the next command measures again.
        with suppress(OSError, DiskError):
            if SeenFile.of(self._files[name].path) == self._files[name]:
                self._store.put(KIND, self._keys[name], {"network": value})


def _measure(states: dict[str, NetworkState]) -> dict[str, Future[str]]:
    """Hash networks, the smallest first: that of the pictures' encoder is asked for early."""
    reader = ThreadPoolExecutor(1, "identity")
    sizes = {n: sum(t.nbytes for t in state.tensors.values()) for n, state in states.items()}
    measured = {n: reader.submit(states[n].sha256) for n in sorted(states, key=sizes.__getitem__)}
    reader.shutdown(wait=False)
    return measured


def _key(file: SeenFile, settings: str) -> str:
    """By what a file is recognised; reading it depends on the libraries too."""
    versions = [diffusers.__version__, transformers.__version__]
    return digest(str(file.path), *map(str, file.facts), settings, *versions)


def _print(stored: np.ndarray) -> str:
    return stored.tobytes().hex()


def _places(tensors: Iterable[Tensor]) -> set[int]:
    """Where tensors lie in memory."""
    return {tensor.untyped_storage().data_ptr() for tensor in tensors}
