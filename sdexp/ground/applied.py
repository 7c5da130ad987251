"""Proof of loading."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sdexp.ground.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor, nn

# Buffers without an effect on what a network computes: numbers from 0 up, that older versions saved
# and newer ones make anew, and what batch normalisation counts while it trains.
HARMLESS = ("position_ids", "num_batches_tracked")


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
        if self.applied == 0 and not self.unexpected:
            raise DataError(f"{what}: no tensor was applied; the folder holds no usable weights")
        if self.missing or self.unexpected:
            first = (self.missing + self.unexpected)[0]
            raise DataError(
                f"{what}: {len(self.missing)} tensors missing and {len(self.unexpected)} "
                f"unexpected (first: {first}); these weights belong to another model"
            )
        if self.changed == 0:
            raise DataError(
                f"{what}: all {self.applied} tensors equal the original's; training changed nothing"
            )


def together(parts: Iterable[tuple[str, Applied]]) -> Applied:
    """One proof of several networks; names carry the name of their network."""
    named = list(parts)
    return Applied(
        applied=sum(part.applied for _, part in named),
        changed=sum(part.changed for _, part in named),
        missing=tuple(f"{name}.{key}" for name, part in named for key in part.missing),
        unexpected=tuple(f"{name}.{key}" for name, part in named for key in part.unexpected),
    )


def check_loading(what: str, info: Mapping[str, Any]) -> None:
    """Raise `DataError` for what `from_pretrained` reports: a tensor left at random is an error.

    `info` is its answer to `output_loading_info=True`.
    """
    missing = sorted(info["missing_keys"])
    foreign = [*info["unexpected_keys"], *map(str, info["mismatched_keys"]), *info["error_msgs"]]
    unexpected = sorted(name for name in foreign if not name.endswith(HARMLESS))
    _refuse(what, missing, unexpected)


def apply_all(
    what: str, module: nn.Module, tensors: Mapping[str, Tensor], assign: bool = False
) -> None:
    """Put every tensor into a network; raises `DataError` unless they are just its own.

    assign: the network takes the tensors themselves, which it needs where it has none yet.
    """
    own = module.state_dict()
    missing = [name for name in own if name not in tensors and not name.endswith(HARMLESS)]
    unexpected = [
        name
        for name, tensor in tensors.items()
        if not name.endswith(HARMLESS) and (name not in own or own[name].shape != tensor.shape)
    ]
    _refuse(what, sorted(missing), sorted(unexpected))
    module.load_state_dict(tensors, strict=False, assign=assign)


def _refuse(what: str, missing: list[str], unexpected: list[str]) -> None:
    if missing or unexpected:
        raise DataError(
            f"{what}: {len(missing)} tensors missing and {len(unexpected)} unexpected (first: "
            f"{(missing + unexpected)[0]}); what is missing would be random: get the whole file"
        )
