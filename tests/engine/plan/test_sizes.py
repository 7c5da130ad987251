"""Memory and files that are told, compared with those of a real run."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from sdexp.engine.plan.disk import needs_of
from sdexp.engine.plan.sizes import memory_of, optimizer_bytes
from sdexp.ground.store import Store
from sdexp.optimizer.adamw import AdamW
from sdexp.optimizer.any_torch import AnyTorch
from sdexp.optimizer.sgd import Sgd
from tests.engine.plan.sizes import folder_bytes, within
from tests.training import trainer_of

OPTIMIZERS = {
    "adamw": AdamW(1e-3, [0.9, 0.999], 1e-8, 1e-2, False, None),
    "sgd": Sgd(1e-3, 0.9, 0.0, None),
    "adafactor": AnyTorch(1e-3, "Adafactor", {}),
}
# The moving average is there in every other case, the best weights in the others.
CASES = [
    (strategy, optimizer, (number + shift) % 2 == 0)
    for number, strategy in enumerate(("lora", "unet", "text_encoder", "loha"))
    for shift, optimizer in enumerate(OPTIMIZERS)
]


def optimizer_names(module: Any) -> list[str]:
    """Optimizers that take dense gradients and no closure."""
    found = [k for k, v in vars(module).items() if isinstance(v, type) and k[0].isupper()]
    return sorted(set(found) - {"Optimizer", "LBFGS", "SparseAdam"})


@pytest.mark.parametrize("strategy, optimizer, ema", CASES)
def test_memory_and_files_are_those_of_a_real_run(
    strategy: str, optimizer: str, ema: bool, new_run: Any, recipes: Any, store: Store
) -> None:
    patience = "null" if ema else "2"
    overrides = [
        f"finetune={strategy}", f"training.use_ema={ema}", "training.max_train_steps=2",
        "training.validation_steps=1", f"training.early_stopping.patience={patience}",
    ]  # fmt: skip
    run = new_run("run", *overrides)
    built = replace(recipes(*overrides), optimizer=OPTIMIZERS[optimizer])
    trainer = trainer_of(run, built, store)
    setup = trainer.setup
    memory = memory_of(setup)
    needs = needs_of(setup, setup.timetable, memory, [], run.path)
    gradients: list[int] = []

    def weigh(*_: Any) -> None:
        gradients.append(sum(p.grad.nbytes for p in trainer.state.parameters if p.grad is not None))

    trainer.state.optimizer.optimizer.register_step_pre_hook(weigh)
    trainer.train()
    state = trainer.state
    kept = [v for s in state.optimizer.optimizer.state.values() for v in s.values()]
    modules = setup.model.modules().values()
    weights = sum(t.nbytes for m in modules for t in (*m.parameters(), *m.buffers()))
    actual = {
        "weights": weights,
        "gradients": gradients[0],
        "optimizer": sum(v.nbytes for v in kept if isinstance(v, Tensor)),
        "ema": sum(p.nbytes for p in state.ema.tensors) if state.ema else 0,
        "best": sum(t.nbytes for t in state.best.values()),
    }
    for name, size in actual.items():
        assert getattr(memory, name) == within(0.02, size), name
    assert memory.total == within(0.02, sum(actual.values()))
    assert needs.checkpoint == within(0.02, folder_bytes(run.checkpoints / "000002"))
    assert needs.weights == within(0.02, folder_bytes(run.weights))


@pytest.mark.parametrize("name", optimizer_names(torch.optim))
def test_state_of_every_optimizer(name: str) -> None:
    """Against one real step over all parameters together."""
    recipe = AnyTorch(1e-3, name, {})
    shapes = [(8, 6), (3, 7)] if name == "Muon" else [(8, 6), (8, 6), (5, 3, 3, 3), (7,), (1,)]
    parameters = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    optimizer = recipe.build([{"params": parameters}], "cpu")
    optimizer.step()
    kept = [value for state in optimizer.state.values() for value in state.values()]
    expected = sum(value.nbytes for value in kept if isinstance(value, Tensor))
    assert optimizer_bytes(recipe, parameters) == expected
