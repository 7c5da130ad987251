import numpy as np
import pytest

from sdexp.backbone.base import BATCH_SIZE, batches, check_pictures


@pytest.mark.parametrize("count", [0, 1, BATCH_SIZE, BATCH_SIZE + 1, 3 * BATCH_SIZE - 1])
def test_batches_hold_everything_once_and_in_order(count: int) -> None:
    things = list(range(count))
    parts = [things[part] for part in batches(count)]
    assert [one for part in parts for one in part] == things
    assert all(len(part) == BATCH_SIZE for part in parts[:-1])


@pytest.mark.parametrize(
    "pictures",
    [
        np.zeros((2, 8, 8, 3), np.float32),
        np.zeros((2, 8, 8, 4), np.uint8),
        np.zeros((8, 8, 3), np.uint8),
        np.zeros((0, 8, 8, 3), np.uint8),
        np.zeros((2, 3, 8, 8), np.uint8),
    ],
)
def test_what_is_no_picture_is_refused(pictures: np.ndarray) -> None:
    check_pictures(np.zeros((1, 8, 9, 3), np.uint8))
    with pytest.raises(ValueError, match=r"must be uint8 \[N, H, W, 3\]"):
        check_pictures(pictures)
