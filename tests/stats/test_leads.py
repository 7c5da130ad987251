import numpy as np
import pytest

from sdexp.stats.leads import leads


def test_each_other_is_compared_prompt_by_prompt() -> None:
    rng = np.random.default_rng(3)
    base = rng.normal(size=60)
    near, far = base + 1 + rng.normal(0, 0.5, 60), base + 5 + rng.normal(0, 0.5, 60)
    (one, p), (other, q) = leads(base, [near, far])
    assert one.difference == pytest.approx(float((base - near).mean()))
    assert other.difference == pytest.approx(float((base - far).mean()))
    # The larger of two p is doubled by nothing, the smaller by two.
    assert p <= 0.01 and q <= 0.01 and min(p, q) == pytest.approx(2 * min(one.p, other.p))


def test_the_first_of_eight_equals_seldom_leads_all() -> None:
    """The one with the lowest mean is chosen after the fact, as a sweep's page does."""
    rng = np.random.default_rng(4)
    named = 0
    for _ in range(60):
        prompts = rng.normal(size=(1, 48))
        runs = prompts + rng.normal(0, 0.7, (8, 48))
        order = np.argsort(runs.mean(axis=1))
        found = leads(runs[order[0]], [runs[k] for k in order[1:]])
        named += all(p < 0.05 for _, p in found)
    assert named <= 1


def test_values_of_other_prompts_are_refused() -> None:
    with pytest.raises(ValueError, match="scores of shapes"):
        leads(np.zeros(4), [np.zeros(5)])
