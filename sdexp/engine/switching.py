"""States of weights that one original can be in turn, without reading a file again."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from sdexp.engine.weights import apply_weights
from sdexp.finetune.base import AbstractFinetune
from sdexp.finetune.merging import TakenOut
from sdexp.ground.errors import ConfigError, SdexpError
from sdexp.model.base import LoadedModel

# Tensors by network and name.
Tensors: TypeAlias = dict[str, dict[str, Tensor]]
Prints: TypeAlias = dict[str, str]
# Whose fingerprints are remembered.
MOST_STRENGTHS = 16


class Switchable:
    """Weights of a folder, put into an original once, with proof, and taken out again.

    Adapters are worked into the weights beside them whenever they are put in, as an evaluation does
    it; of whole networks only the tensors that differ from the original's are kept. Raises
    `DataError` without a whole proof; then the model is the original.
    """

    def __init__(self, model: LoadedModel, finetune: AbstractFinetune, folder: Path) -> None:
        self._model = model
        self._original = _network_prints(model)
        self._prints: dict[float, Prints] = {}
        before = tensors_of(model)
        try:
            restored = apply_weights(finetune, model, folder)
            self.applied = restored.applied
            self.has_strength = restored.has_strength
            self._adapters = TakenOut(model) if restored.has_strength else None
            self._whole = _differing(tensors_of(model), before)
        except SdexpError:
            model.unload_adapters()
            raise
        finally:
            _put(model, before)
            self._recall(self._original)

    @property
    def nbytes(self) -> int:
        """Memory that it holds while it is not put in."""
        whole = sum(t.nbytes for own in self._whole.values() for t in own.values())
        return whole if self._adapters is None else self._adapters.nbytes

    @contextmanager
    def put_in(self, strength: float = 1.0) -> Iterator[None]:
        """Have the model be this state for a while; then it is the original, bit for bit.

        Raises `ConfigError` for a strength of weights that have none.
        """
        tensors = self._tensors(strength)
        swap(self._model, tensors)
        try:
            self._recall(self._prints_of(strength, tensors))
            yield
        finally:
            swap(self._model, tensors)
            self._recall(self._original)

    def _tensors(self, strength: float) -> Tensors:
        if self._adapters is not None:
            return self._adapters.worked_in(strength)
        if strength != 1:
            raise ConfigError(
                f"strength {strength:g}: these weights are whole networks; only adapters have a "
                "strength"
            )
        return self._whole

    def _prints_of(self, strength: float, tensors: Tensors) -> Prints:
        """Fingerprints of the networks with it in, measured once."""
        if strength not in self._prints:
            if len(self._prints) >= MOST_STRENGTHS:
                del self._prints[next(iter(self._prints))]
            self._recall({n: p for n, p in self._original.items() if n not in tensors})
            self._prints[strength] = _network_prints(self._model)
        return self._prints[strength]

    def _recall(self, prints: Prints) -> None:
        self._model.weights_changed()
        self._model.recall(prints)


def tensors_of(model: LoadedModel) -> Tensors:
    """The tensors that a model computes with at the moment; no copies."""
    return {name: dict(module.state_dict()) for name, module in model.modules().items()}


def swap(model: LoadedModel, tensors: Tensors) -> None:
    """Exchange tensors of a model with others, by name; a second time puts them back."""
    modules = model.modules()
    for name, own in tensors.items():
        places = modules[name].state_dict(keep_vars=True)
        for key, tensor in own.items():
            own[key] = places[key].data
            places[key].data = tensor


def share(model: LoadedModel, other: LoadedModel) -> None:
    """Have a model hold the other's tensors of each network that is the same in both."""
    prints = _network_prints(other)
    theirs = tensors_of(other)
    own = tensors_of(model)
    same = [name for name, print_ in _network_prints(model).items() if prints.get(name) == print_]
    _put(model, own | {name: theirs[name] for name in same})


def _put(model: LoadedModel, tensors: Tensors) -> None:
    for name, module in model.modules().items():
        for key, place in module.state_dict(keep_vars=True).items():
            place.data = tensors[name][key]


def _differing(tensors: Tensors, before: Tensors) -> Tensors:
    """Those that are not equal to what was there, of the networks that have some."""
    found = {
        name: {key: t for key, t in own.items() if _is_other(t, before[name][key])}
        for name, own in tensors.items()
    }
    return {name: own for name, own in found.items() if own}


def _is_other(tensor: Tensor, before: Tensor) -> bool:
    return tensor.data_ptr() != before.data_ptr() and not torch.equal(tensor, before)


def _network_prints(model: LoadedModel) -> Prints:
    prints = model.fingerprints()
    return {name: prints[name] for name in model.components()}
