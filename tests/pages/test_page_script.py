"""The script of a page in a real browser; without one these tests are skipped."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sdexp.ground.run import RunFolder
from sdexp.pages.run.page import write_report
from sdexp.pages.sweep.page import write_sweep_report

BROWSER = shutil.which("chromium")


def dumped(address: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """A page as it stands after its script has run."""
    assert BROWSER is not None
    words = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", *flags, "--dump-dom", address]
    return subprocess.run(words, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module", autouse=True)
def browser() -> None:
    if BROWSER is None or dumped("about:blank").returncode != 0:
        pytest.skip("needs a Chromium that starts")


def ran(page: Path, driver: str) -> Any:
    """What `driver` gives on a page: the value of its last `result = ...`."""
    text = page.read_text()
    bare = re.sub(r"<meta http-equiv[^>]*>", "", text)
    script = (
        "<script>let result; (async () => {"
        f"{driver}"
        "; document.title = JSON.stringify(result); })();</script>"
    )
    driven = page.with_name("driven.html")
    driven.write_text(bare.replace("</body>", f"{script}</body>"))
    after = dumped(driven.as_uri(), "--virtual-time-budget=5000").stdout
    (title,) = re.findall(r"<title>(.*?)</title>", after)[:1]
    return json.loads(title.replace("&quot;", '"').replace("&gt;", ">").replace("&lt;", "<"))


def test_jobs_are_sorted_by_a_column_both_ways_and_found_by_words(sweep: Path) -> None:
    write_sweep_report(sweep)
    driver = """
    const head = document.querySelectorAll("#jobs thead th")[3].querySelector("button");
    const jobs = () => [...document.querySelectorAll("#jobs tbody tr")]
      .filter((row) => getComputedStyle(row).display !== "none")
      .map((row) => row.cells[0].dataset.value);
    head.click(); const up = jobs();
    head.click(); const down = jobs();
    const order = document.querySelector(".controls select");
    order.value = ""; order.dispatchEvent(new Event("change")); const listed = jobs();
    order.value = "3 -1"; order.dispatchEvent(new Event("change")); const again = jobs();
    const search = document.querySelector("input[type=search]");
    search.value = "1e-4"; search.dispatchEvent(new Event("input"));
    result = [up, down, listed, again, jobs(), document.querySelector("output").textContent,
              document.querySelectorAll("#jobs thead th")[3].getAttribute("aria-sort")];
    """
    up, down, listed, again, found, count, way = ran(sweep / "report.html", driver)
    # Runs without a score stand last both ways.
    assert up[:4] == ["0", "1", "2", "3"] and down[:4] == ["3", "2", "1", "0"]
    assert listed == [str(number) for number in range(7)] and again == down
    assert set(up[4:]) == set(down[4:]) == {"4", "5", "6"}
    assert sorted(found) == ["2", "3"] and count == "2 of 7 shown" and way == "descending"


def test_pairs_are_ordered_and_looked_at(run: RunFolder) -> None:
    write_report(run)
    driver = """
    const all = () => [...document.querySelectorAll("#pairs figure")];
    const cards = () => all().filter((one) => !one.hidden);
    document.querySelector("details").open = true;
    const drawn = cards().map((card) => card.dataset.values);
    const order = document.querySelector(".controls select");
    order.value = "0 -1"; order.dispatchEvent(new Event("change"));
    const gains = cards().map((card) => Number(card.dataset.values.split(" ")[0]));
    order.value = ""; order.dispatchEvent(new Event("change"));
    const again = cards().map((card) => card.dataset.values);
    document.querySelector("#pairs a").click();
    const dialog = document.querySelector("dialog");
    const open = dialog.open;
    const slider = dialog.querySelector("input");
    slider.value = 20; slider.dispatchEvent(new Event("input"));
    const cut = dialog.querySelector(".stack").style.getPropertyValue("--cut");
    const first = dialog.querySelectorAll("img")[1].src;
    dialog.querySelectorAll("button")[1].click();
    const second = dialog.querySelectorAll("img")[1].src;
    dialog.close();
    await new Promise((done) => setTimeout(done, 300));
    const size = dialog.querySelectorAll("img")[1].naturalWidth;
    result = [drawn, gains, again, open, cut, first, second, size,
              document.activeElement === all()[1].querySelector("a")];
    """
    drawn, gains, again, is_open, cut, first, second, size, is_back = ran(run.report_html, driver)
    assert gains == sorted(gains, reverse=True) == [float(k) for k in range(11, -1, -1)]
    assert again == drawn and is_open and cut == "20%"
    assert first.endswith("images/finetuned/id00_0.png")
    assert second.endswith("images/finetuned/id01_0.png") and size == 64 and is_back


def test_what_a_caption_smuggles_in_does_not_run_and_the_page_does(run: RunFolder) -> None:
    """The policy as shipped: a script of somebody else is refused, the page's own works."""
    write_report(run)
    text = run.report_html.read_text()
    evil = run.report_html.with_name("evil.html")
    evil.write_text(text.replace("</body>", "<script>document.title = 'evil'</script></body>"))
    after = dumped(evil.as_uri()).stdout
    assert "<title>evil" not in after
    assert "12 of 12 shown" in after
