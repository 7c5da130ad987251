"""Frozen convolutions whose weights lie as the CPU's kernels read them.

oneDNN computes with blocked weights, and arranges plain ones anew at every call: with few pixels
that takes longer than the convolution. Weights that never change are arranged once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


def pack_convolutions(module: nn.Module, dtype: torch.dtype) -> int:
    """Arrange a network's frozen convolutions for computing in a type; returns how many.

    Takes twice their memory in that type more. Their weights may not change afterwards.
    """
    chosen = {name: m for name, m in module.named_modules() if is_packable(m)}
    for name, convolution in chosen.items():
        parent, _, own = name.rpartition(".")
        setattr(module.get_submodule(parent), own, _packed(convolution, dtype))
    return len(chosen)


def can_pack(dtype: torch.dtype) -> bool:
    """Whether this machine's kernels take arranged weights of a type: bf16 needs AVX-512."""
    if not torch.backends.mkldnn.is_available():
        return False
    return dtype != torch.bfloat16 or bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def packed_bytes(module: nn.Module) -> int:
    """Bytes of all arrangements of a network's packed convolutions."""
    packed = [m for m in module.modules() if isinstance(m, PackedConv2d)]
    return sum(2 * m.weight.numel() * m.packed_dtype.itemsize for m in packed)


def is_packable(module: nn.Module) -> bool:
    """Whether its backward pass is a convolution too, and it is frozen."""
    return (
        type(module) is nn.Conv2d
        and not any(parameter.requires_grad for parameter in module.parameters())
        and module.stride == (1, 1)
        and module.dilation == (1, 1)
        and module.groups == 1
        and module.padding_mode == "zeros"
        and not isinstance(module.padding, str)
        and all(p < k for p, k in zip(module.padding, module.kernel_size, strict=True))
    )


class PackedConv2d(nn.Conv2d):
    """A convolution that keeps its weights in two more arrangements, one for each pass.

    Anything but the type that it is packed for is computed as ever.
    """

    packed_dtype: torch.dtype
    _forward: Tensor | None = None
    _backward: Tensor | None = None

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        mixed = torch.is_autocast_enabled("cpu")
        dtype = torch.get_autocast_dtype("cpu") if mixed else input.dtype
        if dtype != self.packed_dtype:
            return super()._conv_forward(input, weight, bias)
        result: Tensor = _Convolution.apply(input.to(dtype), self)
        return result

    def convolve(self, pixels: Tensor) -> Tensor:
        """[B, in, H, W] to [B, out, H', W']."""
        if self._forward is None:
            self._forward = _arranged(self.weight.detach().to(pixels), self.padding, pixels)
        bias = None if self.bias is None else self.bias.detach().to(pixels)
        return _convolve(pixels, self._forward, bias, self.padding)

    def convolve_back(self, gradient: Tensor) -> Tensor:
        """The gradient of the input: a convolution with mirrored weights, at stride 1."""
        padding = _mirrored(self.padding, self.kernel_size)
        if self._backward is None:
            mirrored = self.weight.detach().to(gradient).flip(2, 3).transpose(0, 1)
            self._backward = _arranged(mirrored.contiguous(), padding, gradient)
        return _convolve(gradient, self._backward, None, padding)

    def __getstate__(self) -> dict[str, Any]:
        """A copy arranges its own: its weights may become others."""
        return {k: v for k, v in super().__getstate__().items() if k not in ARRANGED}


ARRANGED = ("_forward", "_backward")


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, pixels: Tensor, convolution: PackedConv2d) -> Tensor:
        context.convolution = convolution
        return convolution.convolve(pixels)

    @staticmethod
    @once_differentiable
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return context.convolution.convolve_back(gradient), None


def _packed(convolution: nn.Module, dtype: torch.dtype) -> PackedConv2d:
    """The same convolution with the same parameters."""
    assert isinstance(convolution, nn.Conv2d)
    packed = PackedConv2d(
        convolution.in_channels,
        convolution.out_channels,
        convolution.kernel_size,  # type: ignore[arg-type]
        padding=convolution.padding,  # type: ignore[arg-type]
        bias=convolution.bias is not None,
        device="meta",
    )
    packed.weight = convolution.weight
    packed.bias = convolution.bias
    packed.packed_dtype = dtype
    return packed.train(convolution.training)


def _mirrored(padding: Any, kernel_size: tuple[int, ...]) -> tuple[int, ...]:
    """What a convolution back is padded by."""
    pairs = zip(kernel_size, padding, strict=True)
    return tuple(kernel - 1 - pad for kernel, pad in pairs)


def _arranged(weight: Tensor, padding: Any, pixels: Tensor) -> Tensor:
    """For inputs of a shape: the best arrangement depends on it."""
    operator: Any = torch._C._nn.mkldnn_reorder_conv2d_weight
    ones = [1, 1]
    arranged: Tensor = operator(weight.to_mkldnn(), padding, ones, ones, 1, list(pixels.shape))
    return arranged


def _convolve(pixels: Tensor, weight: Tensor, bias: Tensor | None, padding: Any) -> Tensor:
    ones = [1, 1]
    operator: Any = torch.ops.mkldnn._convolution_pointwise
    result: Tensor = operator(pixels, weight, bias, padding, ones, ones, 1, "none", [], "")
    return result
