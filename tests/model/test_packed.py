import copy

import pytest
import torch
from torch import nn

from sdexp.model.packed import PackedConv2d, can_pack, is_packable, pack_convolutions

SHAPES = [(1, 48, 4, 4), (3, 48, 7, 5), (1, 48, 3, 3)]


def network(kernel: int = 3, padding: int = 1, bias: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    layer = nn.Conv2d(48, 32, kernel, padding=padding, bias=bias)
    return nn.Sequential(layer).requires_grad_(False)


def passes(module: nn.Module, shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    """What it makes of pixels, and the gradient of these."""
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randn(shape, generator=generator).requires_grad_()
    made = module(pixels)
    made.backward(torch.randn(made.shape, generator=generator).to(made.dtype))
    assert pixels.grad is not None
    return made.detach(), pixels.grad


@pytest.mark.parametrize("kernel, padding, bias", [(3, 1, True), (1, 0, False), (5, 1, True)])
@pytest.mark.parametrize("shape", SHAPES)
def test_both_passes_are_those_of_the_plain_convolution(
    kernel: int, padding: int, bias: bool, shape: tuple[int, ...]
) -> None:
    plain = network(kernel, padding, bias)
    packed = copy.deepcopy(plain)
    assert pack_convolutions(packed, torch.float32) == 1
    for got, wanted in zip(passes(packed, shape), passes(plain, shape), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5)


needs_bf16 = pytest.mark.skipif(
    not can_pack(torch.bfloat16), reason="this CPU takes no arranged weights in bf16"
)


def test_what_cannot_be_packed_is_known_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is said of this machine is what its kernels do."""
    assert can_pack(torch.float32)
    packed = network().to(torch.bfloat16)
    pack_convolutions(packed, torch.bfloat16)
    pixels = torch.randn(SHAPES[0], dtype=torch.bfloat16)
    if can_pack(torch.bfloat16):
        assert packed(pixels).dtype == torch.bfloat16
    else:
        with pytest.raises(RuntimeError, match="bf16"):
            packed(pixels)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not can_pack(torch.float32)


@needs_bf16
def test_under_autocast_it_rounds_like_the_plain_one() -> None:
    packed = network()
    pack_convolutions(packed, torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = passes(packed, SHAPES[1])
        wanted = passes(network(), SHAPES[1])
    assert got[0].dtype == torch.bfloat16 and packed[0].weight.dtype == torch.float32
    for one, other in zip(got, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(torch.bfloat16, marks=needs_bf16)])
def test_the_shape_that_came_first_changes_no_bit(dtype: torch.dtype) -> None:
    """A resumed run may begin with another batch than the one that it goes on from."""
    for first in SHAPES:
        begun = network().to(dtype)
        pack_convolutions(begun, dtype)
        with torch.inference_mode():
            begun(torch.randn(first, dtype=dtype))
        fresh = network().to(dtype)
        pack_convolutions(fresh, dtype)
        for shape in SHAPES:
            pixels = torch.randn(shape, dtype=dtype)
            one = pixels.clone().requires_grad_()
            other = pixels.clone().requires_grad_()
            made = begun(one)
            made.sum().backward()
            fresh(other).sum().backward()
            assert torch.equal(made, fresh(pixels)) and torch.equal(one.grad, other.grad)


def test_another_type_is_computed_as_ever() -> None:
    packed = network()
    pack_convolutions(packed, torch.bfloat16)
    assert torch.equal(passes(packed, SHAPES[0])[0], passes(network(), SHAPES[0])[0])


def test_names_tensors_and_parameters_stay() -> None:
    plain = network()
    weight = plain[0].weight
    pack_convolutions(plain, torch.float32)
    assert plain[0].weight is weight
    assert list(plain.state_dict()) == ["0.weight", "0.bias"]


def test_a_copy_has_no_arrangement_of_the_old_weights() -> None:
    packed = network()
    pack_convolutions(packed, torch.float32)
    before = passes(packed, SHAPES[0])[0]
    copied = copy.deepcopy(packed)
    copied[0].weight.data *= 2
    copied[0].bias.data *= 2
    torch.testing.assert_close(passes(copied, SHAPES[0])[0], 2 * before)
    assert torch.equal(passes(packed, SHAPES[0])[0], before)


def test_what_changes_or_cannot_be_turned_round_stays_plain() -> None:
    frozen = {
        "strided": nn.Conv2d(4, 4, 3, stride=2),
        "grouped": nn.Conv2d(4, 4, 3, groups=2),
        "dilated": nn.Conv2d(4, 4, 3, dilation=2),
        "mirrored edges": nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        "named padding": nn.Conv2d(4, 4, 3, padding="same"),
        "wide padding": nn.Conv2d(4, 4, 1, padding=1),
        "no convolution": nn.Linear(4, 4),
        "packed": PackedConv2d(4, 4, 3),
    }
    for name, module in frozen.items():
        assert not is_packable(module.requires_grad_(False)), name
    assert not is_packable(nn.Conv2d(4, 4, 3)), "it trains"
    biased = nn.Conv2d(4, 4, 3)
    biased.weight.requires_grad_(False)
    assert not is_packable(biased), "its bias trains"
    assert is_packable(nn.Conv2d(4, 4, 3).requires_grad_(False))
