"""Proof of loading."""

from dataclasses import dataclass

from sdexp.ground.errors import DataError


@dataclass(frozen=True)
class Applied:
    """Proof of loading: how many tensors were applied, and which did not fit.

    `changed` counts the applied tensors that differ from the original's.
    """

    applied: int
    changed: int
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()

    def check(self, what: str) -> None:
        """Raise `DataError` unless everything was applied and something differs."""
        if self.missing or self.unexpected:
            first = (self.missing + self.unexpected)[0]
            raise DataError(
                f"{what}: {len(self.missing)} tensors missing and {len(self.unexpected)} "
                f"unexpected (first: {first}); these weights belong to another model"
            )
        if self.applied == 0:
            raise DataError(f"{what}: no tensor was applied; the folder holds no usable weights")
        if self.changed == 0:
            raise DataError(
                f"{what}: all {self.applied} tensors equal the original's; training changed nothing"
            )
