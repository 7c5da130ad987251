"""What a backbone is: a network that turns pictures into numbers that metrics compare."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from sdexp.ground.errors import DataError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Gift = Literal["images", "texts", "pairs", "classes", "projection"]
Standard = Literal["fid", "lpips"]

# Pictures that go through a network together; the same everywhere, so that no bit depends on it.
BATCH_SIZE = 32


@dataclass(frozen=True, eq=False)
class PictureSet:
    """Pictures that are read when they are looked at, so that not all of them lie in memory.

    read: picture k as uint8 [H, W, 3]; shared: whether other runs may ask for the same ones.
    """

    count: int
    read: Callable[[int], np.ndarray]
    shared: bool

    @classmethod
    def of(cls, pixels: np.ndarray, shared: bool = False) -> PictureSet:
        """Those of an array uint8 [N, H, W, 3]."""
        return cls(len(pixels), pixels.__getitem__, shared)

    @classmethod
    def none(cls) -> PictureSet:
        """Of no picture."""
        return cls(0, _no_picture, False)

    def batch(self, rows: slice) -> np.ndarray:
        """uint8 [N, H, W, 3]; raises `ValueError` for pictures of several sizes."""
        import numpy as np

        return np.stack([self.read(k) for k in range(self.count)[rows]])

    def at(self, places: Sequence[int]) -> PictureSet:
        """Those at these places, in their order."""
        return PictureSet(len(places), lambda k: self.read(places[k]), self.shared)


def _no_picture(place: int) -> np.ndarray:
    raise IndexError(f"picture {place} of none")


class LoadedBackbone(ABC):
    """A scoring network in memory, float32; which methods it has says its recipe.

    name: as shown beside every number; sha256: of its weights and of all settings that count.
    """

    name: str
    sha256: str

    def images(self, pictures: np.ndarray) -> np.ndarray:
        """Features float64 [N, d] of uint8 [N, H, W, 3], at most `BATCH_SIZE`."""
        raise NotImplementedError

    def texts(self, texts: list[str]) -> np.ndarray:
        """Features float64 [N, d] of texts, in the same space as those of pictures."""
        raise NotImplementedError

    def project(self, states: Tensor) -> Tensor:
        """Features [N, d] of pooled states [N, w] of its text tower, with gradients."""
        raise NotImplementedError

    @property
    def scale(self) -> float:
        """What cosines of features of texts and pictures are multiplied by; no unit."""
        raise NotImplementedError

    def overlong(self, texts: list[str]) -> int:
        """How many of the texts `texts` reads only the beginning of."""
        raise NotImplementedError

    def classes(self, pictures: np.ndarray) -> np.ndarray:
        """Logits float64 [N, classes] of uint8 [N, H, W, 3]."""
        raise NotImplementedError

    def pairs(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Distance float64 [N] of each picture to its partner, both uint8 [N, H, W, 3]."""
        raise NotImplementedError


@dataclass(frozen=True)
class AbstractBackbone(ABC):
    """Recipe of a backbone.

    gives: the methods that it has. standards: the published measures whose very network it is; no
    other number may bear their names.
    """

    gives: ClassVar[frozenset[Gift]]
    standards: ClassVar[frozenset[Standard]] = frozenset()

    @property
    @abstractmethod
    def name(self) -> str:
        """As shown beside every number."""

    @property
    def is_embedded(self) -> bool:
        """Whether it is the judge of the embedded world, which knows nothing else."""
        return False

    @property
    @abstractmethod
    def width(self) -> int:
        """How many numbers the features of a picture are; loads no weights."""

    @property
    def text_width(self) -> int:
        """How wide the pooled states are that `project` takes; loads no weights."""
        raise NotImplementedError

    @abstractmethod
    def check(self, key: str, reachable: bool) -> None:
        """Raise `DataError` when weights are not on this machine; `key` is what names them.

        reachable: whether what is missing would be fetched from where it is published.
        """

    @abstractmethod
    def start(self, device: str) -> LoadedBackbone:
        """Load the network; raises `DataError` for weights that are damaged or not whole."""


class AbstractFeatures(ABC):
    """What a metric asks of one backbone; each picture goes through the network once."""

    @abstractmethod
    def images(self, pictures: PictureSet) -> np.ndarray:
        """Features float64 [N, d]."""

    @abstractmethod
    def texts(self, texts: list[str]) -> np.ndarray:
        """Features float64 [N, d]."""

    @abstractmethod
    def classes(self, pictures: PictureSet) -> np.ndarray:
        """Logits float64 [N, classes]."""

    @abstractmethod
    def pairs(self, left: PictureSet, right: PictureSet) -> np.ndarray:
        """Distances float64 [N]."""


def batches(count: int) -> Iterator[slice]:
    """Consecutive slices of at most `BATCH_SIZE` of `count` things."""
    return (slice(start, start + BATCH_SIZE) for start in range(0, count, BATCH_SIZE))


@contextmanager
def exactly() -> Iterator[None]:
    """No gradients, and on a GPU float32 as the CPU has it: the same algorithm each time."""
    import torch

    # cuDNN may otherwise round convolutions to TF32 or choose another algorithm each time.
    with (
        torch.inference_mode(),
        torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        ),
    ):
        yield


def check_kind(name: str, path: str, kind: str) -> None:
    """Raise `DataError` unless the configuration at a folder or Hub id is of this `model_type`.

    transformers would load any other model with most of its tensors at random.
    """
    from transformers import AutoConfig

    found = AutoConfig.from_pretrained(path).model_type
    if found != kind:
        raise DataError(f"backbone={name}: holds a {found} model; name one of type {kind}")


def check_pictures(pictures: np.ndarray) -> None:
    """Raise `ValueError` unless pictures are uint8 [N, H, W, 3].

    Image processors divide by 255 whatever they are given: floats would silently become near
    black.
    """
    is_rgb = pictures.ndim == 4 and pictures.shape[-1] == 3 and len(pictures)
    if pictures.dtype.name != "uint8" or not is_rgb:
        raise ValueError(
            f"pictures of type {pictures.dtype} and shape {pictures.shape}; must be uint8 "
            "[N, H, W, 3]"
        )
