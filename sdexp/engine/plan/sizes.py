"""What a training run takes in memory, from its own tensors."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from sdexp.engine.train.gradients import WAITING
from sdexp.engine.train.setup import Setup
from sdexp.model.packed import packed_bytes
from sdexp.optimizer.base import AbstractOptimizer

# Type, shape and place of a tensor in the header of a safetensors file, beside its name.
HEADER_BYTES = 75
# Most optimizers keep two tensors of a short name for each parameter.
OPTIMIZER_HEADER_BYTES = 2 * (HEADER_BYTES + 12)


@dataclass(frozen=True)
class Memory:
    """Bytes on the device of one process, without activations."""

    weights: int
    gradients: int
    optimizer: int
    ema: int
    best: int
    packed: int

    @property
    def total(self) -> int:
        return sum(asdict(self).values())


def memory_of(setup: Setup) -> Memory:
    """What the run holds after its first step, and its copies of the trained weights."""
    trained = nbytes(setup.state.parameters)
    hardware = setup.recipes.hardware
    return Memory(
        weights=sum(nbytes(all_tensors(module)) for module in setup.model.modules().values()),
        gradients=min(trained, WAITING) if hardware.optimizer_in_backward else trained,
        optimizer=optimizer_bytes(setup.recipes.optimizer, setup.state.parameters),
        ema=trained if setup.state.ema is not None else 0,
        best=trained if setup.state.stopper.active else 0,
        packed=sum(packed_bytes(module) for module in setup.model.modules().values()),
    )


def nbytes(tensors: list[Tensor] | list[nn.Parameter]) -> int:
    """Bytes of tensors."""
    return sum(tensor.nbytes for tensor in tensors)


def all_tensors(module: nn.Module) -> list[Tensor]:
    """Parameters and buffers, also those that are not saved."""
    return [*module.parameters(), *module.buffers()]


def optimizer_bytes(recipe: AbstractOptimizer, parameters: list[nn.Parameter]) -> int:
    """Bytes of the optimizer's state, found by a real step over one parameter of each shape.

    Not over meta tensors: Adafactor and ASGD read values. One shape at a time takes little memory.
    """
    kinds = Counter((parameter.shape, parameter.dtype) for parameter in parameters)
    device = parameters[0].device
    total = 0
    for (shape, dtype), count in kinds.items():
        parameter = nn.Parameter(torch.zeros(shape, dtype=dtype, device=device))
        parameter.grad = torch.zeros_like(parameter)
        group = {"params": [parameter], "lr": recipe.lr, "name": ""}
        optimizer = recipe.build([group], str(device))
        optimizer.step()
        state = optimizer.state[parameter].values()
        total += count * sum(value.nbytes for value in state if isinstance(value, Tensor))
    return total


def checkpoint_bytes(setup: Setup, memory: Memory) -> int:
    """Bytes of one checkpoint's files."""
    copies = 1 + bool(memory.ema) + bool(memory.best)
    trained = setup.state.trained
    state = memory.optimizer + OPTIMIZER_HEADER_BYTES * len(trained)
    return copies * (nbytes(setup.state.parameters) + _headers(trained)) + state


def weights_bytes(setup: Setup) -> int:
    """Bytes of `weights/`: the adapters, or each network that trains as a whole."""
    finetune = setup.recipes.finetune
    modules = setup.model.modules()
    total = 0
    for name in finetune.components:
        trained = {n: p for n, p in modules[name].named_parameters() if p.requires_grad}
        saved: dict[str, Tensor] = dict(trained)
        if finetune.saves_networks:
            # Adapters are merged into the tensors that the network had before.
            added = trained if getattr(modules[name], "peft_config", None) else {}
            saved = {n: t for n, t in modules[name].state_dict().items() if n not in added}
        total += nbytes(list(saved.values())) + _headers(saved)
    return total


def _headers(names: Iterable[str]) -> int:
    return sum(HEADER_BYTES + len(name) for name in names)
