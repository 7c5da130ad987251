"""From gradients to changed parameters: after the backward pass, or within it."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from sdexp.engine.train.state import TrainingState
from sdexp.ground.errors import DivergedError
from sdexp.ground.interrupt import stay

# Gradients that wait for their step within the backward pass, in bytes.
WAITING = 256 * 2**20
# Where fused kernels divide gradients by a factor; those of Apple's GPUs leave it out.
FOLDING = ("cpu", "cuda")
UNCHANGED = "stopped before the update, weights unchanged"


class AbstractGradientStep(ABC):
    """What becomes of the gradients of a step; verify: stands before the first change."""

    def __init__(
        self, state: TrainingState, accelerator: Accelerator, verify: Callable[[], None]
    ) -> None:
        self.state = state
        self.accelerator = accelerator
        self.verify = verify

    @abstractmethod
    def unreached(self) -> list[str]:
        """Names of trained tensors that the last backward pass gave no gradient."""

    @abstractmethod
    def before(self, loss: Tensor) -> None:
        """What has to be known before a backward pass from this loss."""

    @abstractmethod
    def apply(self, loss: float) -> float:
        """Finish the step, once the backward passes are done; the norm before clipping.

        Raises `DivergedError` where loss or norm are not finite.
        """


class StepAfterBackward(AbstractGradientStep):
    """One step of the optimizer over all gradients, once they are all there.

    limit: of the norm of all gradients together.
    """

    def __init__(
        self,
        state: TrainingState,
        accelerator: Accelerator,
        verify: Callable[[], None],
        limit: float,
    ) -> None:
        super().__init__(state, accelerator, verify)
        self.limit = limit

    def unreached(self) -> list[str]:
        return [name for name, p in self.state.trained.items() if p.grad is None]

    def before(self, loss: Tensor) -> None:
        """Nothing: all is checked before the step."""

    def apply(self, loss: float) -> float:
        """Sum over processes, check, clip once, step."""
        if self.accelerator.num_processes > 1:
            self._sum()
        self.accelerator.unscale_gradients(self.state.optimizer)
        grads = [p.grad for p in self.state.parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(grads)
        # A gradient scaler skips overflowing steps by itself; a loss that is no number is final.
        scaled = self.accelerator.scaler is not None
        self.verify()
        check_step(self.state.step, loss, 0.0 if scaled else float(norm), UNCHANGED)
        self._step(norm)
        self.state.optimizer.zero_grad()
        return float(norm)

    def _step(self, norm: Tensor) -> None:
        """Clip as `torch.nn.utils.clip_grad_norm_` does, and step.

        A fused kernel takes the factor on its way, without a pass over memory of its own.
        """
        optimizer = self.state.optimizer.optimizer
        # As torch adds it to the norm.
        excess = (norm + 1e-6) / self.limit
        fused = "fused" in optimizer.defaults and optimizer.defaults["fused"]
        folds = fused and norm.device.type in FOLDING
        if excess <= 1 or not math.isfinite(excess):
            self.state.optimizer.step()
        elif folds and self.accelerator.scaler is None:
            optimizer.grad_scale = excess
            optimizer.found_inf = torch.zeros_like(excess)
            self.state.optimizer.step()
            del optimizer.grad_scale
            del optimizer.found_inf
        else:
            torch.nn.utils.clip_grads_with_norm_(self.state.parameters, self.limit, norm)
            self.state.optimizer.step()

    def _sum(self) -> None:
        parameters = self.state.parameters
        grads = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        flat = torch.cat([grad.flatten() for grad in grads])
        summed = self.accelerator.reduce(flat, "sum")
        parts = summed.split([p.numel() for p in parameters])
        for parameter, part in zip(parameters, parts, strict=True):
            parameter.grad = torch.empty_like(parameter).copy_(part.view(parameter.shape))


class StepInBackward(AbstractGradientStep):
    """Steps while gradients still come, so that few of them lie in memory at once.

    The same numbers as one step after it, of one micro-batch and without clipping: a gradient is
    used up before another pass needs the parameter. One that is not finite is found when others
    have changed their parameters already.
    """

    def __init__(
        self, state: TrainingState, accelerator: Accelerator, verify: Callable[[], None]
    ) -> None:
        super().__init__(state, accelerator, verify)
        self._waiting: list[nn.Parameter] = []
        self._norms: list[Tensor] = []
        self._reached: set[nn.Parameter] = set()
        for parameter in state.parameters:
            parameter.register_post_accumulate_grad_hook(self._take)

    def unreached(self) -> list[str]:
        return [name for name, p in self.state.trained.items() if p not in self._reached]

    def before(self, loss: Tensor) -> None:
        check_step(self.state.step, float(loss.detach()), 0.0, UNCHANGED)
        self.verify()
        self._norms.clear()
        self._reached.clear()
        # A signal now would leave some parameters a step ahead of the others.
        stay()

    def apply(self, loss: float) -> float:
        self._step_over_waiting()
        return float(torch.stack(self._norms).norm())

    def _take(self, parameter: Tensor) -> None:
        assert isinstance(parameter, nn.Parameter)
        self._waiting.append(parameter)
        self._reached.add(parameter)
        if sum(waiting.nbytes for waiting in self._waiting) >= WAITING:
            self._step_over_waiting()

    def _step_over_waiting(self) -> None:
        if not self._waiting:
            return
        norm = torch.nn.utils.get_total_norm([p.grad for p in self._waiting if p.grad is not None])
        done = "stopped within the update"
        check_step(self.state.step, 0.0, float(norm), done)
        self._norms.append(norm)
        self.state.optimizer.step()
        self.state.optimizer.zero_grad()
        self._waiting.clear()


def check_step(step: int, loss: float, norm: float, done: str) -> None:
    """Raise `DivergedError` where a loss, or the norm of gradients, is no finite number."""
    if not (math.isfinite(loss) and math.isfinite(norm)):
        raise DivergedError(
            f"step {step + 1}: loss {loss}, gradient norm {norm}: not finite; {done}; lower "
            "optimizer.lr or set training.max_grad_norm"
        )
