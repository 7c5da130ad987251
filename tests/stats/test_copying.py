import numpy as np
import pytest

from sdexp.stats.copying import nearer_to_training, nearest, threshold

WIDTH = 16


def world(count: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, WIDTH))


def p_of(made: np.ndarray, train: np.ndarray, held_out: np.ndarray) -> float:
    return nearer_to_training(made, train, held_out, np.random.default_rng(0), 199)


def test_the_nearest_is_what_brute_force_finds() -> None:
    features, others = world(7, 1), world(11, 2)
    found = nearest(features, others)
    for place, cosine, one in zip(found.places, found.cosines, features, strict=True):
        every = [one @ o / np.linalg.norm(one) / np.linalg.norm(o) for o in others]
        assert cosine == pytest.approx(max(every)) and place == int(np.argmax(every))


@pytest.mark.parametrize("count, chance", [(10, 1 / 11), (64, 1 / 65), (199, 0.01), (999, 0.01)])
def test_one_more_exceeds_the_threshold_by_the_chance_that_is_told(
    count: int, chance: float
) -> None:
    rng = np.random.default_rng(0)
    exceeded = []
    for _ in range(4000):
        *others, one = rng.uniform(size=count + 1)
        bound, told = threshold(np.array(others))
        assert told == pytest.approx(chance)
        exceeded.append(one > bound)
    assert np.mean(exceeded) == pytest.approx(chance, abs=4 * (chance / 4000) ** 0.5)


@pytest.mark.parametrize("train", [20, 400])
def test_copies_are_found(train: int) -> None:
    seen, held_out = world(train, 3), world(400, 4)
    copies = seen[:10] + 0.05 * world(10, 5)
    fresh = world(20, 6)
    assert p_of(np.concatenate([copies, fresh]), seen, held_out) < 0.02
    to_train, _ = threshold(nearest(held_out, seen).cosines)
    assert (nearest(copies, seen).cosines > to_train).all()
    assert (nearest(fresh, seen).cosines > to_train).mean() < 0.1


def test_what_is_only_typical_is_no_copy() -> None:
    """All pictures of one look; those of the model lie in its middle, near to every real one."""
    middle = 3 * np.ones(WIDTH)
    found = []
    for seed in range(100):
        seen, held_out = middle + world(50, 3 * seed), middle + world(60, 3 * seed + 1)
        made = middle + 0.2 * world(30, 3 * seed + 2)
        found.append(p_of(made, seen, held_out))
    assert nearest(made, seen).cosines.mean() > nearest(held_out, seen).cosines.mean() + 0.01
    assert 0.01 <= np.mean(np.array(found) < 0.05) <= 0.1
