"""Safetensors files: written whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from sdexp.ground.errors import DiskError
from sdexp.ground.run import disk_faults

if TYPE_CHECKING:
    from torch import Tensor


def write_tensors(
    file: Path, tensors: dict[str, Tensor], metadata: dict[str, str] | None = None
) -> None:
    """Write tensors in the order of their names; raises `DiskError` when the disk refuses.

    Temporary name, fsync, rename.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    ordered = {key: tensors[key].detach().cpu().contiguous() for key in sorted(tensors)}
    temporary = file.with_name(f".tmp-{file.name}-{os.getpid()}-{secrets.token_hex(2)}")
    with disk_faults(file):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            save_file(ordered, temporary, metadata=metadata)
            with temporary.open("rb+") as written:
                os.fsync(written.fileno())
            temporary.replace(file)
        except SafetensorError as error:
            raise DiskError(f"{file}: cannot be written ({error})") from error
        finally:
            temporary.unlink(missing_ok=True)
