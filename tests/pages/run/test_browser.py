import dataclasses

import pytest

from sdexp.ground.rows import read_rows, write_rows
from sdexp.ground.run import RunFolder
from sdexp.pages.run import browser
from sdexp.pages.run.browser import browser_of
from sdexp.pages.run.facts import read_facts
from sdexp.pages.run.page import write_report


def test_every_pair_has_a_card_with_its_gain(run: RunFolder) -> None:
    found = browser_of(run, read_facts(run))
    assert found.total == len(found.cards) == 12 and found.replicates == 1
    assert sorted(card.values[0] for card in found.cards) == [float(k) for k in range(12)]
    by_name = [[one.name for one in card.pictures] for card in found.cards]
    assert by_name == [["original", "finetuned", "real"]] * 12
    assert all(one.picture.data.startswith("data:image/webp") for one in found.cards[3].pictures)


def test_a_card_is_sorted_by_what_was_gained_where_less_is_better(run: RunFolder) -> None:
    """KID is lower for the better model, so a fall is a gain."""
    kid = {"original": 3.0, "finetuned": 1.0}
    rows = read_rows(run.per_image)
    write_rows(
        run.per_image, [dataclasses.replace(row, scores={"kid": kid[row.model]}) for row in rows]
    )
    found = browser_of(run, read_facts(run))
    assert found.cards[0].values == [2.0, 1.0]
    assert found.cards[0].scores == ["kid 3.000 → 1.000 (-2.000)"]
    assert found.orders[0] == ("kid: gained most", 0, -1)


def test_every_replicate_is_there(run: RunFolder) -> None:
    rows = read_rows(run.per_image)
    again = [dataclasses.replace(row, replicate=1) for row in rows]
    write_rows(run.per_image, [*rows, *again])
    found = browser_of(run, read_facts(run))
    assert found.total == 24 and found.replicates == 2
    places = [(card.sample_id, card.replicate) for card in found.cards]
    assert len(set(places)) == 24 and places[:2] == [("id00.jpg", 0), ("id00.jpg", 1)]
    write_report(run)
    assert "Every pair: 24 pairs, 2 of each prompt" in run.report_html.read_text()


def test_a_long_list_says_where_the_rest_is(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser, "LISTED", 5)
    (run.images("reference") / "id03.png").unlink()
    write_report(run)
    page = run.report_html.read_text()
    assert "The first 5 of 12 pairs; all in per_image.parquet" in page
    assert 'href="images/original/id03_0.png"' in page
    assert 'href="images/reference/id03.png"' not in page


def test_a_pair_with_a_missing_picture_leads_nowhere(run: RunFolder) -> None:
    (run.images("finetuned") / "id03_0.png").unlink()
    facts = read_facts(run)
    card = browser_of(run, facts).cards[3]
    assert not card.is_whole and card.pictures[1].file is None
    write_report(run)
    assert 'href="images/original/id03_0.png"' not in run.report_html.read_text()
