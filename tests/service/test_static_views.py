"""The page in a real browser: sheets, rows, the blind test, runs, and the page of the API."""

import json
import re
import shlex
from typing import Any

from sdexp.ground.rows import read_rows
from sdexp.ground.run import RunFolder
from sdexp.ground.votes import read_votes
from tests.service.browsing import (
    PHONE,
    PROMPT,
    Visitor,
    asked_for,
    choose,
    downloads,
    number,
    original,
    pixel_sha,
    wait,
)
from tests.service.serving import Served

VIEWS = ["/", "/#grid", "/#rows", "/#blind", "/#runs", "/#runs/lora", "/api/docs"]
DARKEST = 60


def test_sheets_are_those_of_the_api(visitor: Visitor, served: Served) -> None:
    models = [original(served), "lora"]
    page = visitor.page("/#grid")
    choose(page, models, "grid-")
    page.fill("#grid-prompt", PROMPT)
    page.select_option("#grid-size", "2")
    page.fill("#grid-seed", "3")
    page.click("#grid-generate")
    wait(page, "Finished: 2 sheets", "grid-status")
    asked = asked_for(served, "grid", models=models, seed=3, size=2)
    assert downloads(page, "#grid-results") == asked
    assert asked[0] != asked[1]


def rows_page(visitor: Visitor, run: str, kind: str) -> Any:
    page = visitor.page("/#rows")
    page.locator("#rows-run option").first.wait_for(state="attached")
    page.select_option("#rows-run", run)
    page.locator(f"#rows-kind label:has([value={kind}])").click()
    return page


def test_strengths_begin_at_the_original(visitor: Visitor, served: Served) -> None:
    base = original(served)
    page = rows_page(visitor, "lora", "strength")
    page.fill("#rows-strengths", "0, 0.5, 1")
    page.fill("#rows-prompt", PROMPT)
    page.fill("#rows-seed", "4")
    page.click("#rows-generate")
    page.locator("#rows-count", has_text="All 3 parts are done.").wait_for()
    pictures = downloads(page, "#rows-results")
    plain, half = asked_for(served, models=[base, "lora"], seed=4, lora_scale=0.5)
    (full,) = asked_for(served, models=["lora"], seed=4)
    assert pictures == [plain, half, full] and len(set(pictures)) == 3
    assert page.locator("#rows-results svg").count() == 2
    page.select_option("#rows-run", "unet")
    assert "no adapters" in page.inner_text("#rows-why")
    assert page.locator("#rows-generate").is_disabled()


def test_steps_go_from_the_original_to_the_final_weights(visitor: Visitor, served: Served) -> None:
    page = rows_page(visitor, "unet", "steps")
    page.fill("#rows-prompt", PROMPT)
    page.fill("#rows-seed", "4")
    page.click("#rows-generate")
    wait(page, "Finished: 3 pictures", "rows-status")
    names = page.locator("#rows-results figcaption .name").all_inner_texts()
    assert names == ["original", "step 2", "final, step 4"]
    models = [original(served), "unet@2", "unet"]
    assert downloads(page, "#rows-results") == asked_for(served, models=models, seed=4)


def chunks(png: bytes) -> set[bytes]:
    """Names of the parts of a PNG."""
    names, at = set(), 8
    while at < len(png):
        names.add(png[at + 4 : at + 8])
        at += 12 + int.from_bytes(png[at : at + 4], "big")
    return names


def shown(page: Any, served: Served, side: str) -> bytes:
    return served.client.get(page.get_attribute(f"#blind-{side}", "src")).content


def test_the_blind_test_is_blind_and_its_votes_are_kept(visitor: Visitor, served: Served) -> None:
    run = RunFolder(served.root / "lora")
    rows = read_rows(run.per_image)
    page = visitor.page("/#blind")
    page.locator("#blind-run option").first.wait_for(state="attached")
    page.select_option("#blind-run", "lora")
    page.fill("#blind-pairs", "2")
    before = len(visitor.asked)
    with page.expect_response(re.compile(r"/api/blind$")) as asked:
        page.click("#blind-start")
    page.locator("#blind-right").wait_for()
    told = asked.value.json()["pairs"]
    assert len(told) == 2 and all(set(one) == {"pair", "prompt", "left", "right"} for one in told)
    pictures = {side: shown(page, served, side) for side in ("left", "right")}
    everything = json.dumps([told, visitor.asked[before:]]) + page.inner_html("#blind-stage")
    assert not re.search("original|finetuned|lora", everything.replace(served.address, ""))
    assert all(chunks(png) == {b"IHDR", b"IDAT", b"IEND"} for png in pictures.values())
    truth = {}
    for side, png in pictures.items():
        (row,) = [r for r in rows if r.pixel_sha256 == pixel_sha(png)][:1]
        truth[side] = row.model
        assert row.caption == told[0]["prompt"]
    page.keyboard.press("2")
    page.locator("#blind-next").wait_for()
    words = f"A was {truth['left']}, B was {truth['right']}. You chose B."
    assert page.inner_text("#blind-was") == words
    votes = read_votes(run.votes)[0]
    assert votes[-1].choice == truth["right"] and votes[-1].left == truth["left"]
    page.keyboard.press("Enter")
    page.locator("#blind-counter", has_text="Pair 2 of 2").wait_for()
    page.keyboard.press("0")
    page.locator("#blind-next", has_text="Finish").click()
    assert "Thank you" in page.inner_text("#blind-end")
    choices = [vote.choice for vote in read_votes(run.votes)[0]]
    assert choices[-1] == "same" and len(choices) == len(votes) + 1
    counts = ", ".join(f"{n} {choices.count(n)}" for n in ("finetuned", "original", "same"))
    assert counts in page.inner_text("#blind-end")


def test_runs_without_an_evaluation_have_no_blind_test(visitor: Visitor) -> None:
    visitor.expected.append("409")
    page = visitor.page("/#blind/unet")
    page.locator("#blind-run option").first.wait_for(state="attached")
    assert page.input_value("#blind-run") == "unet"
    page.click("#blind-start")
    page.locator("#blind-error", has_text="no evaluation").wait_for()


def test_runs_have_their_scores_curves_and_report(visitor: Visitor, served: Served) -> None:
    # Browsers ask for it on their own for a report in a tab of its own.
    visitor.expected.append("favicon.ico")
    runs = {one["id"]: one for one in served.client.get("/api/runs").json()["runs"]}
    page = visitor.page("/#runs")
    page.locator("#runs-table tr[data-run=lora]").wait_for()
    assert page.locator("#runs-table tr[data-run]").count() == len(runs) == 5
    kid = runs["lora"]["scores"]["metrics"]["kid"]
    line = page.inner_text("tr[data-run=lora]")
    assert f"{number(kid['original'])} → {number(kid['finetuned'])}" in line
    assert kid["verdict"] in line and "finished" in page.inner_text("tr[data-run=unet]")
    page.click("tr[data-run=lora] .opener")
    curves = served.client.get("/api/runs/lora/curves").json()["curves"]
    page.locator(".run-details .chart svg").nth(len(curves) - 1).wait_for()
    assert page.locator(".run-details .chart strong").all_inner_texts() == [
        curve["name"] for curve in curves
    ]
    assert runs["lora"]["command"] in page.inner_text(".run-details .copy")
    page.click(".open-report")
    report = page.frame_locator("#report-frame")
    report.locator("#pairs a").first.wait_for(state="attached")
    report.locator("details:has(#pairs) > summary").click()
    with page.expect_response(re.compile(r"/images/original/.*\.png$")) as large:
        report.locator("#pairs a").first.click()
    assert large.value.ok
    title = report.locator("h1").inner_text()
    with page.context.expect_page() as opened:
        page.click("#report-tab")
    assert opened.value.locator("h1").inner_text() == title
    page.click("#report-close")
    page.locator("tr[data-run=lora]").wait_for()
    assert not page.locator("#report-frame").count()


def test_every_view_fits_a_phone_in_the_dark(visitor: Visitor) -> None:
    page = visitor.page(viewport=PHONE)
    page.locator("#theme [value=dark]").check(force=True)
    for view in VIEWS:
        page.goto("about:blank")
        page.goto(visitor.served.address + view)
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"], view
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert max(int(part) for part in re.findall(r"\d+", colour)[:3]) < DARKEST, view


def test_the_api_is_told_whole_and_its_examples_work(visitor: Visitor, served: Served) -> None:
    schema = served.client.get("/api/openapi.json").json()
    page = visitor.page("/api/docs")
    page.locator(".route").first.wait_for()
    heads = [" ".join(text.split()) for text in page.locator(".route h3").all_inner_texts()]
    assert sorted(heads) == sorted(
        f"{method.upper()} {path}" for path, all_ in schema["paths"].items() for method in all_
    )
    fields = page.locator("#post-api-generate .fields tbody td:first-child").all_inner_texts()
    assert set(schema["components"]["schemas"]["PicturesAsked"]["properties"]) <= set(fields)
    assert "noise.prompt_id" in fields
    for route, path in (("generate", "/api/generate"), ("grid", "/api/grid")):
        page.locator(f"#post-api-{route} .example button").focus()
        page.keyboard.press("Enter")
        page.locator(f"#post-api-{route} .example button", has_text="Copied").wait_for()
        copied = page.evaluate("navigator.clipboard.readText()")
        words = shlex.split(copied.replace("\\\n", " "))
        assert words[:2] == ["curl", f"{served.address}{path}"]
        answer = served.client.post(path, json=json.loads(words[words.index("-d") + 1]))
        assert answer.status_code == 202
        served.client.delete(answer.headers["location"])
