import pytest

from sdexp.ground.applied import Applied
from sdexp.ground.errors import DataError


def test_applied_says_what_is_wrong() -> None:
    Applied(3, 1).check("x")
    with pytest.raises(DataError, match="1 tensors missing"):
        Applied(3, 1, missing=("a",)).check("x")
    with pytest.raises(DataError, match="no tensor was applied"):
        Applied(0, 0).check("x")
