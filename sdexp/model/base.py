"""What a model recipe is."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from sdexp.ground.types import LoadedModel


@dataclass(frozen=True)
class AbstractModel(ABC):
    """Recipe of a text-to-image model."""

    @abstractmethod
    def check(self) -> None:
        """Raise `DataError` when the weights are not on this machine; loads nothing."""

    @abstractmethod
    def load(self, device: str, dtype: str) -> LoadedModel:
        """The original on `device` ("cpu", "cuda:0", "mps"); `dtype` is a torch type by name."""
