import pytest

from sdexp.ground.batches import equal_batches, smaller_batches, words_of
from sdexp.ground.build import plain
from sdexp.launch.compose import compose


@pytest.mark.parametrize(
    "size, accumulation, smaller",
    [
        (8, 1, [(4, 2), (2, 4), (1, 8)]),
        (6, 2, [(4, 3), (3, 4), (2, 6), (1, 12)]),
        (1, 4, []),
    ],
)
def test_smaller_batches_have_as_many_samples_in_a_step(
    size: int, accumulation: int, smaller: list[tuple[int, int]]
) -> None:
    assert equal_batches(size, accumulation) == smaller


def test_they_are_told_as_a_person_types_them() -> None:
    told = "training.train_batch_size=2 training.gradient_accumulation_steps=4"
    assert words_of(2, 4) == told


@pytest.mark.parametrize(
    "word, expected",
    [
        ("training.random_flip=true", [(2, 2), (1, 4)]),
        ("hardware.optimizer_in_backward=true", []),
        ("training.bucket.enable_bucket=true", []),
        ("objective=clip_contrastive", []),
    ],
)
def test_there_are_none_where_other_batches_train_otherwise(
    word: str, expected: list[tuple[int, int]]
) -> None:
    config = compose("train", ["training.train_batch_size=4", word]).config
    assert smaller_batches(plain(config)) == expected
