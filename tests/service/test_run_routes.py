"""The API of runs over real ones."""

import json
import re

import pytest

from sdexp.ground.run import RunFolder
from tests.service.serving import Served


def test_all_runs_are_told_with_their_scores(served: Served) -> None:
    runs = {run["id"]: run for run in served.client.get("/api/runs").json()["runs"]}
    assert runs.keys() == {"lora", "unet", "empty", "foreign", "changed"}
    assert runs["lora"]["title"] == "lora / pocket / pocket" and runs["lora"]["steps"] == 4
    metrics = runs["lora"]["scores"]["metrics"]
    assert {"kid", "clip_score"} <= metrics.keys() and runs["unet"]["scores"] is None
    assert str(served.root) not in json.dumps([run["reason"] for run in runs.values()])


def test_curves_and_prompts_are_those_of_the_run(served: Served) -> None:
    client = served.client
    curves = {c["name"]: c["points"] for c in client.get("/api/runs/lora/curves").json()["curves"]}
    assert [step for step, _ in curves["train/loss"]] == [1, 2, 3, 4]
    assert "validation/loss" in curves
    prompts = client.get("/api/runs/lora/prompts").json()["prompts"]
    assert len(prompts) == 4 and all(re.fullmatch("[0-9a-f]{12}", p["noise"]["prompt_id"])
                                     for p in prompts)  # fmt: skip
    assert client.get("/api/runs/nobody/curves").status_code == 404


def test_a_report_is_a_page_whose_files_are_there(served: Served) -> None:
    client = served.client
    page = client.get("/api/runs/lora/report")
    assert page.headers["content-type"].startswith("text/html")
    assert "script-src 'sha256-" in page.headers["content-security-policy"]
    links = {link for link in re.findall(r'href="([^"#:]+)"', page.text) if "." in link}
    found = {link: client.get(f"/api/runs/lora/{link}").status_code for link in links}
    pictures = [link for link in links if link.endswith(".png")]
    assert pictures and {found[link] for link in pictures} == {200}
    assert client.get("/api/runs/lora/weights/pytorch_lora_weights.safetensors").status_code == 404


@pytest.mark.parametrize("choice", ["left", "right", "same"])
def test_a_blind_vote_reaches_the_run_and_its_report(served: Served, choice: str) -> None:
    client = served.client
    before = client.get("/api/runs/lora/votes").json()
    answer = client.post("/api/blind", json={"run": "lora", "pairs": 1}).json()
    (pair,) = answer["pairs"]
    assert answer["votes"] == before
    for side in ("left", "right"):
        assert client.get(pair[side]).headers["content-type"] == "image/png"
    told = client.post(f"/api/blind/{pair['pair']}/vote", json={"choice": choice}).json()
    names = ("finetuned", "original", "same")
    assert sum(told["votes"][n] for n in names) == sum(before[n] for n in names) + 1
    assert client.get("/api/runs/lora/votes").json() == told["votes"]
    assert "blind vote" in client.get("/api/runs/lora/report").text
    assert RunFolder(served.root / "lora").votes.is_file()
    assert client.post("/api/blind", json={"run": "unet"}).status_code == 409
