"""FID: the Frechet distance by the name that it has over one network."""

import numpy as np

from sdexp.metric.fd import Fd
from sdexp.metric.fid import Fid


def test_fid_is_the_frechet_distance_of_its_own_network() -> None:
    draws = np.random.default_rng(0)
    made, real = draws.normal(size=(30, 8)), draws.normal(size=(40, 8))
    metric = Fid("inception", {"inception": 1.0})
    assert metric.statistic(made, real) == Fd("clip", {"clip": 1.0}).statistic(made, real)
    assert metric.standard == "fid" and Fd.standard is None
