import dataclasses

import pytest

from sdexp.ground.rows import read_rows, write_rows
from sdexp.ground.run import RunFolder
from sdexp.pages.run import prompts
from sdexp.pages.run.facts import read_facts
from sdexp.pages.run.page import write_report
from sdexp.pages.run.prompts import prompt_table


def test_every_prompt_has_a_line_with_both_scores(run: RunFolder) -> None:
    table = prompt_table(run, read_facts(run))
    assert table.metrics == ["clip_score"] and table.total == len(table.lines) == 12
    gains = sorted(after - before for line in table.lines for before, after in line.scores)
    assert gains == [float(k) for k in range(12)]
    assert all(set(line.files) == {"original", "finetuned", "real"} for line in table.lines)
    page_links = {line.files["real"] for line in table.lines}
    assert page_links == {f"images/reference/id{k:02d}.png" for k in range(12)}


def test_replicates_are_averaged(run: RunFolder) -> None:
    rows = read_rows(run.per_image)
    again = [
        dataclasses.replace(row, replicate=1, scores={"clip_score": row.scores["clip_score"] + 2})
        for row in rows
    ]
    before = prompt_table(run, read_facts(run))
    write_rows(run.per_image, [*rows, *again])
    after = prompt_table(run, read_facts(run))
    assert after.total == 12
    for old, new in zip(before.lines, after.lines, strict=True):
        assert new.scores == [(a + 1, b + 1) for a, b in old.scores]


def test_a_long_list_says_where_the_rest_is(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prompts, "LISTED", 5)
    (run.images("reference") / "id03.png").unlink()
    write_report(run)
    page = run.report_html.read_text()
    assert "The first 5 of 12 prompts; all in per_image.parquet" in page
    assert 'href="images/original/id03_0.png"' in page
    assert 'href="images/reference/id03.png"' not in page
