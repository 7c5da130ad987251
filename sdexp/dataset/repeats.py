"""Pictures that an epoch sees several times."""

import hashlib
import json
from collections.abc import Sequence

from sdexp.dataset.base import OpenDataset, Sample


class Repeated(OpenDataset):
    """Each picture as often as it is to be seen; the second time its id ends with `#2`."""

    def __init__(self, data: OpenDataset, repeats: Sequence[int]) -> None:
        self._data = data
        self._repeats = tuple(repeats)
        self._places = [(k, time) for k, often in enumerate(repeats) for time in range(often)]
        self.findings = data.findings

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Sample:
        sample = self._data[self._places[index][0]]
        return Sample(self.sample_id(index), sample.image, sample.captions)

    def sample_id(self, index: int) -> str:
        picture, time = self._places[index]
        name = self._data.sample_id(picture)
        return f"{name}#{time + 1}" if time else name

    def picture_id(self, index: int) -> str:
        return self._data.picture_id(self._places[index][0])

    def captions(self, index: int) -> tuple[str, ...]:
        return self._data.captions(self._places[index][0])

    def size(self, index: int) -> tuple[int, int]:
        return self._data.size(self._places[index][0])

    def manifest(self) -> str:
        parts = [self._data.manifest(), *self._repeats]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
