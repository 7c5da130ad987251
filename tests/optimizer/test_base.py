import pytest

from sdexp.optimizer.base import check_betas, check_decay, check_rate, is_fused


@pytest.mark.parametrize("lr", [None, 0.0, -1e-3, float("nan"), float("inf")])
def test_a_rate_is_a_finite_number_above_0(lr: float | None) -> None:
    check_rate(1e-12)
    with pytest.raises(ValueError, match=f"optimizer.lr={lr}: allowed is a"):
        check_rate(lr)


@pytest.mark.parametrize("betas", [[], [0.9], [0.9, 1.0], [-0.1, 0.9], [0.9, float("nan")]])
def test_betas_are_two_shares_below_1(betas: list[float]) -> None:
    check_betas([0.0, 0.999])
    with pytest.raises(ValueError, match=r"optimizer.betas=\[.*\]: allowed is two numbers"):
        check_betas(betas)


def test_a_decay_is_not_negative() -> None:
    check_decay(0.0)
    with pytest.raises(ValueError, match=r"optimizer.weight_decay=-0.1: allowed is 0 or more"):
        check_decay(-0.1)


@pytest.mark.parametrize(
    "wanted, device, fused",
    [
        (None, "cuda:1", True),
        (None, "mps", True),
        (None, "xla:0", False),
        (True, "xla", True),
        (False, "cuda", False),
    ],
)
def test_fused_kernels_are_taken_where_the_device_has_them(
    wanted: bool | None, device: str, fused: bool
) -> None:
    assert is_fused(wanted, device) is fused
