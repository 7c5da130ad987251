"""The network behind LPIPS."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sdexp.backbone.base import (
    AbstractBackbone,
    Gift,
    LoadedBackbone,
    Standard,
    check_pictures,
    exactly,
)
from sdexp.ground.applied import apply_all
from sdexp.ground.assets import WEIGHTS, check_weights, weights_file
from sdexp.ground.errors import DataError
from sdexp.ground.fingerprints import weights_sha256
from sdexp.ground.tensors import read_tensors

if TYPE_CHECKING:
    import lpips
    import numpy as np
    from torch import Tensor

# Pixels; below, the last convolutions see nothing.
SMALLEST_SIDE = 31
# Of torchvision's ImageNet weights, alexnet-owt-7be5be79, as `weights_sha256` counts them.
TRUNK_SHA256 = "7aa8fbebb5931b4046bde5650db267c9d7d5a569f31c8c3640133b87ad84a842"


@dataclass(frozen=True)
class AlexNet(AbstractBackbone):
    """AlexNet with the heads of LPIPS v0.1 (Zhang et al. 2018, arXiv 1801.03924, equation 1).

    pairs: LPIPS, 0 for equal pictures, about 0.7 for unrelated photos. The trunk is the ImageNet
    one of torchvision, the heads are those of the `lpips` package; other weights are refused,
    because a number by them would be no LPIPS.

    `pretrained_model_name_or_path` is the embedded "alexnet", a folder with model.safetensors or
    such a file, under torchvision's names `features.N.weight`.
    """

    gives: ClassVar[frozenset[Gift]] = frozenset({"pairs"})
    standards: ClassVar[frozenset[Standard]] = frozenset({"lpips"})

    pretrained_model_name_or_path: str

    @property
    def name(self) -> str:
        return self.pretrained_model_name_or_path

    @property
    def width(self) -> int:
        return 1

    def check(self, key: str, reachable: bool) -> None:
        check_weights(key, self.name, WEIGHTS, reachable)

    def start(self, device: str) -> LoadedBackbone:
        import torch

        file = weights_file(self.name)
        network = _heads_over_a_random_trunk()
        names = {name.partition(".")[2]: name for name in network.net.state_dict()}
        tensors = read_tensors(file)
        apply_all(str(file), network.net, {_own_name(names, key): t for key, t in tensors.items()})
        if weights_sha256(network.net) != TRUNK_SHA256:
            raise DataError(
                f"{file}: not the ImageNet weights of LPIPS v0.1; what they give would be no LPIPS"
            )
        torch.nn.Module.to(network, device)
        return LoadedAlexNet(self.name, network.eval())


def _heads_over_a_random_trunk() -> lpips.LPIPS:
    import warnings

    import lpips
    import torch

    # Making the network draws random numbers, which nobody else may miss, and asks torchvision in
    # words that it does not like any more.
    with torch.random.fork_rng(), warnings.catch_warnings(action="ignore"):
        return lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)


def _own_name(names: dict[str, str], key: str) -> str:
    """The name that a tensor of torchvision's AlexNet has in the package's network."""
    number = key.removeprefix("features.")
    return names[number] if number in names else key


class LoadedAlexNet(LoadedBackbone):
    """Trunk and heads in float32."""

    def __init__(self, name: str, network: lpips.LPIPS) -> None:
        self.name = name
        self.network = network
        self.sha256 = hashlib.sha256(weights_sha256(network).encode()).hexdigest()

    def pairs(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        if left.shape != right.shape:
            raise ValueError(f"pictures of shape {right.shape} for pictures of shape {left.shape}")
        check_pictures(left)
        check_pictures(right)
        if min(left.shape[1:3]) < SMALLEST_SIDE:
            raise ValueError(
                f"pictures of {left.shape[1]} x {left.shape[2]} pixels; LPIPS needs "
                f"{SMALLEST_SIDE} on each side"
            )
        with exactly():
            distances = self.network(self._signed(left), self._signed(right))
        values: np.ndarray = distances.flatten().double().cpu().numpy()
        return values

    def _signed(self, pictures: np.ndarray) -> Tensor:
        """Pixels in [-1, 1], as the network wants them: [0, 1] would silently give less."""
        import numpy as np
        import torch

        device = next(self.network.parameters()).device
        pixels = torch.from_numpy(np.array(pictures)).to(device).permute(0, 3, 1, 2)
        return pixels.float() / 127.5 - 1
