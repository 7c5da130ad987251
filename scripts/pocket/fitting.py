"""A resumable training loop for the pocket weights: fixed seed, Adam, cosine, moving average."""

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

SAVE_EVERY = 250


def learning_rate(step: int, steps: int, peak: float, warmup: int = 100) -> float:
    """Linear warm-up, then half a cosine down to a fiftieth of the peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    progress = (step - warmup) / max(1, steps - warmup)
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * progress)))


def fit(
    name: str,
    model: nn.Module,
    loss_of: Callable[[torch.Generator], Tensor],
    *,
    steps: int,
    peak_lr: float,
    work: Path,
    ema_decay: float = 0.998,
) -> nn.Module:
    """Train `model` in place and return its moving average.

    `loss_of` gets a generator seeded by the step, so a resumed run sees the same batches as an
    uninterrupted one. The state lies in `work/<name>.pt` and is read with `weights_only=True`.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak_lr, weight_decay=0.01, fused=True)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(ema_decay), use_buffers=True)
    state_file, start, seconds = work / f"{name}.pt", 0, 0.0
    if state_file.exists():
        state = torch.load(state_file, weights_only=True)
        model.load_state_dict(state["model"])
        average.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        start, seconds = state["step"], state["seconds"]
    model.train()
    running, began = 0.0, time.monotonic() - seconds
    for step in range(start, steps):
        torch.manual_seed(step)
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak_lr)
        loss = loss_of(torch.Generator().manual_seed(step))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        average.update_parameters(model)
        running += loss.item()
        if (step + 1) % 50 == 0:
            minutes = (time.monotonic() - began) / 60
            print(
                f"{name} {step + 1}/{steps} loss {running / 50:.5f} {minutes:.1f} min", flush=True
            )
            running = 0.0
        if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
            state = {
                "model": model.state_dict(),
                "average": average.state_dict(),
                "optimizer": optimizer.state_dict(),
                "step": step + 1,
                "seconds": time.monotonic() - began,
            }
            torch.save(state, state_file.with_suffix(".tmp"))
            state_file.with_suffix(".tmp").replace(state_file)
    return average.module.eval()
