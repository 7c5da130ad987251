import numpy as np
import pytest

from sdexp.stats.multiple import holm


def test_holm_in_a_worked_example() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.7, 0.9]) == [1.0, 1.0] and holm([0.03]) == [0.03] and holm([]) == []


def test_one_false_alarm_in_a_family_is_as_rare_as_promised() -> None:
    draws = np.random.default_rng(0).random((4000, 8))
    alarms = [min(holm(list(row))) < 0.05 for row in draws]
    assert 0.035 < np.mean(alarms) < 0.06
