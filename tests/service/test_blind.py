"""Pairs in hidden order: nothing that is shown tells whose picture it is."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdexp.engine.images import read_png, save_png
from sdexp.ground.record_files import write_record
from sdexp.ground.rows import write_rows
from sdexp.ground.run import MODELS
from sdexp.ground.votes import read_votes
from sdexp.service import blind as module
from sdexp.service.blind import BlindTest
from sdexp.service.catalogue import Catalogue
from sdexp.service.found import FoundRun
from sdexp.service.refusals import Refusal
from tests import records
from tests.service.houses import run_of

PROMPTS = 40


@pytest.fixture
def found(tmp_path: Path) -> FoundRun:
    """Originals are dark, finetuned pictures are light."""
    run = run_of(tmp_path, "run")
    rows = []
    for number in range(PROMPTS):
        for model in MODELS:
            row = records.row(f"p{number}", model, f"caption {number}")
            light = 100 * (model == "finetuned") + number
            save_png(
                np.full((8, 8, 3), light, np.uint8), run.path / row.path, {"sdexp": f"by {model}"}
            )
            rows.append(row)
    write_rows(run.per_image, rows)
    write_record(run.scores, records.scores({"kid": records.metric(90.0)}))
    catalogue = Catalogue(tmp_path)
    catalogue.refresh()
    return catalogue.runs[0]


def light(png: bytes) -> int:
    return int(np.asarray(Image.open(io.BytesIO(png)))[0, 0, 0])


def test_a_pair_is_of_one_prompt_and_says_nothing_else(found: FoundRun) -> None:
    blind = BlindTest()
    pairs = blind.pairs(found, PROMPTS)
    assert len({pair["prompt"] for pair in pairs}) == PROMPTS
    on_the_left = 0
    for pair in pairs:
        assert pair.keys() == {"pair", "prompt", "left", "right"}
        left, right = (blind.picture(pair["pair"], side) for side in ("left", "right"))  # type: ignore[arg-type]
        assert abs(light(left) - light(right)) == 100
        assert b"sdexp" not in left + right and b"tEXt" not in left and b"iTXt" not in left
        on_the_left += light(left) > light(right)
        # The pixels themselves are those that were evaluated.
        number = int(pair["prompt"].split()[1])
        assert {light(left), light(right)} == {number, 100 + number}
    # Either side is as likely: 40 of one kind have a chance of 2e-12.
    assert 0 < on_the_left < PROMPTS
    order = [pair["prompt"] for pair in pairs]
    assert order != sorted(order, key=lambda text: int(text.split()[1]))


def test_a_vote_is_written_into_the_run_once(found: FoundRun) -> None:
    blind = BlindTest()
    first, second, third = blind.pairs(found, 3)
    lefts = {}
    for pair in (first, second, third):
        lefts[pair["pair"]] = light(blind.picture(pair["pair"], "left")) >= 100
    answer = blind.vote(first["pair"], "left")
    was_finetuned = lefts[first["pair"]]
    assert answer["was"]["left"] == ("finetuned" if was_finetuned else "original")
    assert answer["was"]["right"] == ("original" if was_finetuned else "finetuned")
    blind.vote(second["pair"], "right")
    assert blind.vote(third["pair"], "same")["votes"]["same"] == 1
    votes, damaged = read_votes(found.run.votes)
    assert not damaged and [vote.choice for vote in votes] == [
        "finetuned" if was_finetuned else "original",
        "original" if lefts[second["pair"]] else "finetuned",
        "same",
    ]
    assert votes[0].left == answer["was"]["left"] and votes[0].prompt_id.startswith("p")
    with pytest.raises(Refusal) as caught:
        blind.vote(first["pair"], "right")
    assert caught.value.status == 409 and len(read_votes(found.run.votes)[0]) == 3


def test_strange_names_and_runs_without_pairs_are_refused(found: FoundRun) -> None:
    blind = BlindTest()
    for ask in (lambda: blind.picture("x", "left"), lambda: blind.vote("x", "left")):
        with pytest.raises(Refusal) as caught:
            ask()
        assert caught.value.status == 404
    (pair,) = blind.pairs(found, 1)
    for model in MODELS:
        for file in found.run.images(model).iterdir():
            file.unlink()
    with pytest.raises(Refusal, match="not in the run's folder"):
        blind.picture(pair["pair"], "left")
    for other in (
        replace(found, scores=None),
        replace(found, scores=records.scores({"kid": records.metric(90.0)}, control="self")),
    ):
        with pytest.raises(Refusal) as caught:
            blind.pairs(other, 5)
        assert caught.value.status == 409


def test_old_pairs_are_closed(found: FoundRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OPEN", 3)
    blind = BlindTest()
    pairs = blind.pairs(found, 5)
    with pytest.raises(Refusal):
        blind.picture(pairs[0]["pair"], "left")
    assert read_png(found.run.path / "images/original/p0_0.png").shape == (8, 8, 3)
    assert blind.picture(pairs[-1]["pair"], "left")
