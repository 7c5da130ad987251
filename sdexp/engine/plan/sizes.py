"""What a training run takes in memory, from its own tensors."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace

import torch
from torch import Tensor, nn

from sdexp.engine.hardware import make_optimizer
from sdexp.engine.train.trainer import Trainer
from sdexp.ground.build import OptimizerRecipe
from sdexp.recipes import Recipes

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

    @property
    def total(self) -> int:
        return sum(asdict(self).values())


def memory_of(trainer: Trainer) -> Memory:
    """What the run holds after its first step, and its copies of the trained weights."""
    trained = nbytes(trainer.state.parameters)
    return Memory(
        weights=sum(nbytes(all_tensors(module)) for module in trainer.model.modules().values()),
        gradients=trained,
        optimizer=optimizer_bytes(trainer.recipes.optimizer, trainer.state.parameters),
        ema=trained if trainer.state.ema is not None else 0,
        best=trained if trainer.state.stopper.active else 0,
    )


def nbytes(tensors: list[Tensor] | list[nn.Parameter]) -> int:
    """Bytes of tensors."""
    return sum(tensor.nbytes for tensor in tensors)


def all_tensors(module: nn.Module) -> list[Tensor]:
    """Parameters and buffers, also those that are not saved."""
    return [*module.parameters(), *module.buffers()]


def optimizer_bytes(recipe: OptimizerRecipe, parameters: list[nn.Parameter]) -> int:
    """Bytes of the optimizer's state, found by a real step over one parameter of each shape.

    Not over meta tensors: Adafactor and ASGD read values. One shape at a time takes little memory.
    """
    kinds = Counter((parameter.shape, parameter.dtype) for parameter in parameters)
    device = parameters[0].device
    total = 0
    for (shape, dtype), count in kinds.items():
        parameter = nn.Parameter(torch.zeros(shape, dtype=dtype, device=device))
        parameter.grad = torch.zeros_like(parameter)
        optimizer = make_optimizer(recipe, [parameter], str(device))
        optimizer.step()
        state = optimizer.state[parameter].values()
        total += count * sum(value.nbytes for value in state if isinstance(value, Tensor))
    return total


def checkpoint_bytes(trainer: Trainer, memory: Memory) -> int:
    """Bytes of one checkpoint's files."""
    copies = 1 + bool(memory.ema) + bool(memory.best)
    trained = trainer.state.trained
    state = memory.optimizer + OPTIMIZER_HEADER_BYTES * len(trained)
    return copies * (memory.gradients + _headers(trained)) + state


def weights_bytes(trainer: Trainer) -> int:
    """Bytes of `weights/`: the adapters, or each network that trains as a whole."""
    total = 0
    for module in trainer.model.modules().values():
        trained = {name: p for name, p in module.named_parameters() if p.requires_grad}
        if trained:
            # Networks with adapters are not saved, only what was added to them.
            adapted = bool(getattr(module, "peft_config", None))
            saved = trained if adapted else module.state_dict()
            total += nbytes(list(saved.values())) + _headers(saved)
    return total


def _headers(names: Iterable[str]) -> int:
    return sum(HEADER_BYTES + len(name) for name in names)


@dataclass(frozen=True)
class Length:
    """How long a run is: its steps, over the order of all its processes."""

    steps: int
    samples: int
    samples_per_step: int
    steps_per_epoch: int
    first_epoch: list[int]

    @property
    def epochs(self) -> float:
        return self.steps / self.steps_per_epoch


def length_of(trainer: Trainer, recipes: Recipes) -> Length:
    """The length with as many processes as are configured, seen from one.

    `first_epoch`: the samples of the first epoch, or of the whole run if it is shorter.
    """
    order = replace(trainer.order, processes=recipes.hardware.num_processes)
    training = recipes.training
    steps = training.max_train_steps
    if steps is None:
        assert training.num_train_epochs is not None
        steps = training.num_train_epochs * order.steps_per_epoch
    first = range(min(steps, order.steps_per_epoch))
    return Length(
        steps,
        order.samples,
        order.samples_per_step,
        order.steps_per_epoch,
        [index for step in first for index in order.step_samples(step)],
    )
