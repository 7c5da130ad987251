import pytest

from sdexp.pages.run.power import power_table
from sdexp.stats.comparison import detectable, needed
from tests.records import metric, scores


def test_the_table_agrees_with_what_is_asked_of_each_number() -> None:
    """A spread of 3 over 20 prompts, where 1.0 matters."""
    found = detectable(3.0 / 20**0.5, 20)
    enough = needed(3.0, 1.0)
    assert enough is not None
    one = metric(9, minimum_detectable_effect=found, smallest_effect=1.0, needed_prompts=enough)
    table = power_table(scores({"kid": one}, n_prompts=20))
    assert table is not None and table.asked == 20 and 20 in table.counts
    effects = dict(zip(table.counts, table.lines[0].cells, strict=True))
    assert effects[20][0] == pytest.approx(found)
    assert effects[64][0] == pytest.approx(detectable(3.0 / 8, 64))
    first = min(count for count, (_, is_enough) in effects.items() if is_enough)
    assert max(c for c in table.counts if c < first) < enough <= first


def test_nothing_is_told_of_a_metric_whose_spread_is_unknown() -> None:
    assert power_table(scores({"kid": metric(9, minimum_detectable_effect=None)})) is None
    assert power_table(scores({"kid": metric(9)}, n_prompts=5)) is None
