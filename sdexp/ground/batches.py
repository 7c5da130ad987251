"""Batches that the optimizer cannot tell apart."""


def equal_batches(size: int, accumulation: int) -> list[tuple[int, int]]:
    """Smaller batches with more accumulation and as many samples in a step, the largest first."""
    samples = size * accumulation
    return [(less, samples // less) for less in range(size - 1, 0, -1) if samples % less == 0]


def words_of(size: int, accumulation: int) -> str:
    """What a person types for them."""
    return f"training.train_batch_size={size} training.gradient_accumulation_steps={accumulation}"
