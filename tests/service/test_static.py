"""The page in a real browser: the comparison of pictures."""

import re
from typing import Any

from sdexp.ground.rows import read_rows
from sdexp.ground.run import RunFolder
from tests.service.browsing import (
    PROMPT,
    Visitor,
    asked_for,
    choose,
    downloads,
    generate,
    number,
    original,
    pixel_sha,
    pixels,
    wait,
)
from tests.service.serving import Served, finished

LONG = {"num_inference_steps": 100, "num_images": 8}


def texts(page: Any, place: str) -> list[str]:
    return page.locator(place).all_inner_texts()


def test_its_pictures_and_scores_are_those_of_the_api(visitor: Visitor, served: Served) -> None:
    base = original(served)
    page = visitor.page()
    generate(page, [base, "lora"], seed=5, num_images=2)
    wait(page, "Finished: 4 pictures")
    client = served.client
    recipe = {"prompt": PROMPT, "models": [base, "lora"], "seed": 5, "num_images": 2}
    job = finished(client, client.post("/api/generate", json=recipe).json())
    # A program is told model by model, a person seed by seed.
    told = sorted(job["pictures"], key=lambda one: one["seed"])  # type: ignore
    assert downloads(page, "#results") == [client.get(one["url"]).content for one in told]
    shown = texts(page, "#results figure.result")
    assert len(shown) == 4
    for words, one in zip(shown, told, strict=True):
        numbers = [number(one[name]) for name in ("clip_score", "drift") if one[name] is not None]
        assert re.findall(r"^-?\d+\.\d+$", words, re.M) == numbers
        assert ("pictures differ" in words) == (one["model"] == "lora")
        assert "withheld" not in words
    assert texts(page, "#results .seed-row h3") == ["Seed 5", "Seed 6"]
    names = list(job["judges"].values())  # type: ignore
    assert all(name in page.inner_text("#results") for name in names)


def test_the_slider_follows_the_keyboard(visitor: Visitor, served: Served) -> None:
    base = original(served)
    page = visitor.page()
    generate(page, [base, "lora"], seed=5)
    wait(page, "Finished")
    left, right = (pixels(png) for png in asked_for(served, models=[base, "lora"], seed=5))
    differing = abs(left.astype(int) - right).sum(2)
    differing[:, :4] = differing[:, -4:] = differing[48:] = 0
    y, x = divmod(int(differing.argmax()), 64)
    assert differing[y, x] > 30
    slider = page.locator("#results .stage input")
    slider.focus()
    for key, value in (("ArrowRight", "51"), ("ArrowLeft", "50"), ("End", "100"), ("Home", "0")):
        slider.press(key)
        assert slider.input_value() == value
        assert f"{value} % original" in str(slider.get_attribute("aria-valuetext"))
        if value in ("100", "0"):
            stage = pixels(page.locator("#results .stage").screenshot())
            scale = stage.shape[0] / 64
            seen = stage[int((y + 0.5) * scale), int((x + 0.5) * scale)].astype(int)
            wanted = left if value == "100" else right
            assert abs(seen - wanted[y, x]).max() <= 3


def test_a_job_is_cancelled_and_the_next_one_works(visitor: Visitor, served: Served) -> None:
    page = visitor.page()
    generate(page, ["lora"], **LONG)
    wait(page, "Picture 1 of 8")
    page.keyboard.press("Escape")
    wait(page, "Cancelled")
    assert page.locator("#cancel").is_disabled() and page.locator("#generate").is_enabled()
    job = finished(served.client, served.client.get(f"/api/jobs/{visitor.jobs()[-1]}").json())
    assert job["status"] == "cancelled" and len(job["pictures"]) < 8  # type: ignore
    generate(page, ["lora"], num_inference_steps=2, num_images=1)
    wait(page, "Finished: 1 picture")


def test_a_reload_loses_nothing(visitor: Visitor, served: Served) -> None:
    page = visitor.page()
    generate(page, [original(served), "lora"], seed=21)
    wait(page, "Finished")
    entry = page.locator(".history-entry")
    entry.wait_for()
    before = texts(page, "#results")
    page.reload()
    wait(page, "Finished: 2 pictures in .* 2 of 2 from the store")
    assert texts(page, "#results") == before
    assert entry.count() == 1 and PROMPT in entry.inner_text() and "seed 21" in entry.inner_text()
    assert entry.locator("img").count() == 2
    assert page.input_value("#prompt") == PROMPT
    generate(page, ["lora"], seed="", **LONG)
    wait(page, "Picture 1 of 8")
    orders = [line for line in visitor.asked if line.startswith("POST")]
    page.reload()
    wait(page, r"Picture \d of 8")
    page.click("#cancel")
    wait(page, "Cancelled")
    assert visitor.jobs()[-1] == visitor.jobs()[-2]
    assert [line for line in visitor.asked if line.startswith("POST")] == orders
    # The last comparison that came to its end is still there to be opened.
    entry.locator(".history-open").click()
    wait(page, "Finished")
    assert texts(page, "#results") == before


def test_a_link_opens_the_same_comparison_elsewhere(visitor: Visitor, served: Served) -> None:
    page = visitor.page()
    fields = {"width": 72, "num_inference_steps": 3, "guidance_scale": 1.5, "lora_scale": 0.5}
    generate(page, ["lora", original(served)], negative_prompt="a star & more", **fields)
    wait(page, "Finished")
    page.click(".copy-link")
    link = page.evaluate("navigator.clipboard.readText()")
    other = visitor.page(link.removeprefix(served.address))
    wait(other, "Finished")
    assert texts(other, "#results figure") == texts(page, "#results figure")
    assert downloads(other, "#results") == downloads(page, "#results")
    for name in (*fields, "prompt", "seed", "negative_prompt"):
        place = f"#{name.replace('_', '-')}"
        assert other.input_value(place) == page.input_value(place)


def test_a_held_out_prompt_gives_the_picture_of_the_evaluation(
    visitor: Visitor, served: Served
) -> None:
    page = visitor.page()
    choose(page, [original(served), "lora"])
    page.locator("#examples option", has_text="choose one of").wait_for(state="attached")
    page.select_option("#examples", index=2)
    assert "noise of the evaluation" in page.inner_text("#noise")
    page.click("#generate")
    wait(page, "Finished")
    prompt = page.input_value("#prompt")
    rows = [row for row in read_rows(RunFolder(served.root / "lora").per_image)]
    wanted = [r.pixel_sha256 for m in ("original", "finetuned") for r in rows if r.model == m
              and r.caption == prompt and r.replicate == 0]  # fmt: skip
    assert [pixel_sha(png) for png in downloads(page, "#results")] == wanted
    other = visitor.page(page.url.removeprefix(served.address))
    wait(other, "Finished")
    assert [pixel_sha(png) for png in downloads(other, "#results")] == wanted


def test_refused_weights_cannot_be_chosen_and_say_why(visitor: Visitor, served: Served) -> None:
    page = visitor.page()
    choose(page, ["unet"])
    for model in served.client.get("/api/models").json()["models"]:
        row = page.locator("#models .model", has=page.locator(f"input[value='{model['id']}']"))
        assert row.locator("input").is_disabled() == (model["state"] == "refused")
        if model["state"] == "refused":
            assert model["refused"] in row.inner_text()
    assert page.locator("#models .refused").count() >= 4
    # Whole networks have no strength.
    assert not page.locator("#lora-scale").is_visible()
    assert "tensors applied" in page.inner_text("#badge")


def test_what_is_wrong_is_said_at_the_form(visitor: Visitor, served: Served) -> None:
    visitor.expected += ["422", "503"]
    page = visitor.page()
    choose(page, ["lora"])
    page.click("#generate")
    page.locator("#error", has_text="prompt: is empty").wait_for()
    generate(page, ["lora"], num_inference_steps=101)
    page.locator("#error", has_text="num_inference_steps=101: allowed are at most 100").wait_for()
    with served.client as client:
        jobs = []
        order = {"prompt": PROMPT, "models": ["lora"], **LONG}
        while (answer := client.post("/api/generate", json=order)).status_code == 202:
            jobs.append(answer.json()["id"])
        assert answer.status_code == 503
        generate(page, ["lora"], num_inference_steps=2)
        page.locator("#error", has_text=re.compile("jobs wait.*Please wait .* second")).wait_for()
        for job in reversed(jobs):
            client.delete(f"/api/jobs/{job}")
    page.click("#retry")
    wait(page, "Finished")
    assert not page.locator("#error").is_visible()


def test_without_events_it_asks_and_says_what_was_withheld(visitor: Visitor) -> None:
    visitor.expected += ["ERR_FAILED"]
    page = visitor.page()

    def blackened(route: Any) -> None:
        answer = route.fetch()
        job = answer.json()
        for picture in job["pictures"]:
            picture["withheld"] = True
        route.fulfill(response=answer, json=job)

    page.route(re.compile(r"/events$"), lambda route: route.abort())
    page.route(re.compile(r"/api/jobs/[^/]+$"), blackened)
    generate(page, ["lora"])
    wait(page, "Finished")
    assert "safety checker" in page.inner_text("#results figcaption")
