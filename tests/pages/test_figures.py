import numpy as np
import pytest

from sdexp.pages.figures import curve_panels, epoch_losses, smooth


def test_smoothing_starts_without_bias() -> None:
    assert smooth((2.0, 2.0, 2.0)) == pytest.approx([2.0, 2.0, 2.0])
    assert np.all(np.diff(smooth((0.0, 1.0, 1.0, 1.0))) > 0)


def test_a_whole_pass_ends_its_epoch() -> None:
    """Two epochs of two steps: their means are 2 and 5."""
    drawn = epoch_losses([(0.5, 1.0), (1.0, 3.0), (1.5, 4.0), (2.0, 6.0)])
    equal = epoch_losses([(1.0, 2.0), (2.0, 5.0)])
    assert drawn == equal and "Training loss per epoch" in drawn
    assert drawn != epoch_losses([(1.0, 2.0), (2.0, 6.0)])


def test_a_figure_says_what_it_is_to_who_does_not_see_it() -> None:
    svg = curve_panels("a", "rate & norm", {"rate": [(1, 0.5)], "norm": [(1, 2.0), (2, 3.0)]})
    assert svg.startswith('<svg role="img"') and "<title>rate &amp; norm</title>" in svg
    assert svg.count("optimizer step") == 2
