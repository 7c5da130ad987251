"""Early stopping on a declared value that should fall; a score that should rise comes negated."""

from dataclasses import dataclass
from typing import Any

from sdexp.ground.config import EarlyStopping


@dataclass
class Stopper:
    """Counts checks without progress; progress is a fall below the best by more than min_delta."""

    config: EarlyStopping
    best: float | None = None
    best_step: int | None = None
    bad_checks: int = 0

    @property
    def active(self) -> bool:
        return self.config.patience is not None

    @property
    def stopped(self) -> bool:
        return self.config.patience is not None and self.bad_checks >= self.config.patience

    def check(self, value: float, step: int) -> bool:
        """Note a value; True when it is the best so far."""
        if self.best is None or value < self.best - self.config.min_delta:
            self.best = value
            self.best_step = step
            self.bad_checks = 0
            return True
        self.bad_checks += 1
        return False

    def values(self) -> dict[str, Any]:
        return {"best": self.best, "best_step": self.best_step, "bad_checks": self.bad_checks}

    def restore(self, values: dict[str, Any]) -> None:
        self.best = values["best"]
        self.best_step = values["best_step"]
        self.bad_checks = values["bad_checks"]
