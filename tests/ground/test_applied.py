import pytest

from sdexp.ground.applied import Applied, check_loading, together
from sdexp.ground.errors import DataError


def test_applied_says_what_is_wrong() -> None:
    Applied(3, 1).check("x")
    with pytest.raises(DataError, match="1 tensors missing"):
        Applied(3, 1, missing=("a",)).check("x")
    with pytest.raises(DataError, match="no tensor was applied"):
        Applied(0, 0).check("x")


def test_equal_weights_are_no_training() -> None:
    with pytest.raises(DataError, match="all 3 tensors equal the original's"):
        Applied(3, 0).check("x")


def test_several_networks_make_one_proof() -> None:
    parts = [("unet", Applied(3, 2, missing=("a",))), ("vae", Applied(4, 0, unexpected=("b",)))]
    assert together(parts) == Applied(7, 2, missing=("unet.a",), unexpected=("vae.b",))
    assert together([]) == Applied(0, 0)


LOADED: dict[str, list[str]] = {
    "missing_keys": [],
    "unexpected_keys": [],
    "mismatched_keys": [],
    "error_msgs": [],
}


def test_a_tensor_left_at_random_is_an_error() -> None:
    check_loading("x", LOADED | {"unexpected_keys": ["text_model.embeddings.position_ids"]})
    with pytest.raises(DataError, match=r"x: 2 tensors missing and 0 unexpected \(first: a\)"):
        check_loading("x", LOADED | {"missing_keys": {"b", "a"}})
    for key in ("unexpected_keys", "mismatched_keys", "error_msgs"):
        with pytest.raises(DataError, match=r"0 tensors missing and 1 unexpected \(first: c\)"):
            check_loading("x", LOADED | {key: ["c"]})
