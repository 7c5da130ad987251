"""A real browser on the page of a service, and a record of all that it asks and complains of."""

import hashlib
import io
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.service.serving import Served, finished

CHROMIUM = shutil.which("chromium")
PROMPT = "a big red heart"
# Milliseconds in which a small job is done, even where others wait for the same cores.
PATIENCE = 60_000
PHONE = {"width": 390, "height": 844}


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser; the tests are skipped where none starts."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("needs a Chromium")
    with playwright.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        except playwright.Error:
            pytest.skip("needs a Chromium that starts")
        yield browser
        browser.close()


@dataclass
class Visitor:
    """Somebody at the page.

    asked: method and address of every request; faults: errors that browsers write down; expected:
    words of those that a test brings about.
    """

    browser: Any
    served: Served
    asked: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    contexts: list[Any] = field(default_factory=list)

    def page(self, path: str = "/", **options: Any) -> Any:
        """The page in a browser that has never been here."""
        permissions = ["clipboard-read", "clipboard-write"]
        context = self.browser.new_context(permissions=permissions, **options)
        context.set_default_timeout(PATIENCE)
        context.on("page", self._watch)
        self.contexts.append(context)
        page = context.new_page()
        page.goto(self.served.address + path)
        return page

    def _watch(self, page: Any) -> None:
        page.on("request", lambda request: self.asked.append(f"{request.method} {request.url}"))
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.faults.append(str(error)))

    def _hear(self, message: Any) -> None:
        if message.type == "error":
            self.faults.append(f"{message.text} {message.location['url']}")

    def jobs(self) -> list[str]:
        """Of all jobs that were listened to, the latest last."""
        found = [re.search(r"/api/jobs/([^/]+)/events", line) for line in self.asked]
        return [match[1] for match in found if match]

    def check(self) -> None:
        """Nothing was asked of anybody else, and nothing went wrong."""
        ours = (self.served.address, "data:", "blob:")
        assert [line for line in self.asked if not line.split()[1].startswith(ours)] == []
        unexpected = [f for f in self.faults if not any(words in f for words in self.expected)]
        assert unexpected == []


@contextmanager
def visiting(browser: Any, served: Served) -> Iterator[Visitor]:
    visitor = Visitor(browser, served)
    try:
        yield visitor
        visitor.check()
    finally:
        for context in visitor.contexts:
            context.close()


def choose(page: Any, names: list[str], prefix: str = "") -> None:
    """Tick these weights and no others."""
    boxes = page.locator(f"#{prefix}models input")
    boxes.first.wait_for()
    for value in [box.get_attribute("value") for box in boxes.all()]:
        box = page.locator(f"#{prefix}models input[value='{value}']")
        if box.is_checked() != (value in names):
            box.click()


def wait(page: Any, words: str, place: str = "status") -> None:
    """Until the line of the job begins with these words."""
    from playwright.sync_api import expect

    expect(page.locator(f"#{place}")).to_have_text(re.compile(f"^{words}"), timeout=PATIENCE)


def generate(page: Any, names: list[str], **fields: Any) -> None:
    """Have pictures made by the form of the comparison."""
    choose(page, names)
    page.fill("#prompt", PROMPT)
    for name, value in fields.items():
        page.fill(f"#{name.replace('_', '-')}", str(value))
    page.click("#generate")


def downloads(page: Any, within: str) -> list[bytes]:
    """The pictures as files, in the order in which they stand."""
    found = []
    for link in page.locator(f"{within} .download-picture").all():
        with page.expect_download() as download:
            link.click()
        found.append(Path(download.value.path()).read_bytes())
    return found


def asked_for(served: Served, path: str = "generate", **recipe: Any) -> list[bytes]:
    """The pictures that a program gets for the same recipe."""
    client = served.client
    answer = client.post(f"/api/{path}", json={"prompt": PROMPT, **recipe})
    assert answer.status_code == 202, answer.text
    job = finished(client, answer.json())
    assert job["status"] == "finished", job
    return [client.get(picture["url"]).content for picture in job["pictures"]]  # type: ignore


def original(served: Served) -> str:
    """The id of the original of the runs that can be served."""
    models = served.client.get("/api/models").json()["models"]
    return next(one["original"] for one in models if one["id"] == "lora")


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def pixel_sha(png: bytes) -> str:
    return hashlib.sha256(pixels(png).tobytes()).hexdigest()


def number(value: float) -> str:
    """As people read it on the page."""
    size = abs(value)
    digits = 5 if 0 < size < 0.01 else 1 if size >= 100 else 2 if size >= 10 else 3
    return f"{value:.{digits}f}"
