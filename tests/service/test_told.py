from dataclasses import replace
from pathlib import Path

from sdexp.ground.applied import Applied
from sdexp.ground.record_files import write_record
from sdexp.ground.rows import write_rows
from sdexp.ground.serving import Proved
from sdexp.ground.votes import Vote, add_vote
from sdexp.service import told
from sdexp.service.catalogue import Catalogue
from tests import records
from tests.service.houses import run_of


def evaluated(root: Path) -> Catalogue:
    """A run with scores, curves and votes, as records tell of them."""
    run = run_of(root, "run", "evaluation.seed=4")
    write_record(run.scores, records.scores({"kid": records.metric(90.0)}))
    rows = [records.row(f"{k:012x}", m, f"a cat {k}") for k in range(3) for m in ("original",)]
    write_rows(run.per_image, [*rows, replace(rows[0], replicate=1)])
    steps = [{"step": step, "value": 1 / step} for step in range(1, 1001)]
    records.write_log(run.log, steps)
    records.write_log(run.log, [{"step": 5, "split": "validation", "name": "kid", "value": 3.0}])
    catalogue = Catalogue(root)
    catalogue.refresh()
    return catalogue


def test_a_badge_says_what_is_really_loaded(tmp_path: Path) -> None:
    catalogue = evaluated(tmp_path)
    entry = catalogue.entry("run")
    assert entry is not None
    # Of an evaluation that proved it, before this service has.
    assert told.badge(entry) == (
        "lora, step 100, pocket, 112 of 112 tensors applied, pictures differ from the original"
    )
    catalogue.note(Proved(entry.weights, Applied(256, 250), True, None))
    entry = catalogue.entry("run")
    assert entry is not None
    line = told.badge(entry)
    assert "256 of 256 tensors applied, 250 differ from the original's, pictures differ" in line
    values = told.model(entry)
    assert values["applied"] == {"applied": 256, "changed": 250, "missing": 0, "unexpected": 0}
    assert values["state"] == "proved" and values["has_strength"]
    catalogue.note(Proved(entry.weights, None, False, f"{tmp_path}/run/weights: broken"))
    entry = catalogue.entry("run")
    assert entry is not None
    values = told.model(entry)
    assert values["state"] == "refused" and values["refused"] == "run/weights: broken"


def test_an_original_is_no_strategy(tmp_path: Path) -> None:
    catalogue = evaluated(tmp_path)
    values = told.model(catalogue.entries[0])
    assert values["kind"] == "original" and values["strategy"] is None and values["run"] is None
    assert values["state"] == "waiting" and values["applied"] is None


def test_a_run_is_a_line_of_the_table(tmp_path: Path) -> None:
    catalogue = evaluated(tmp_path)
    (found,) = catalogue.runs
    for choice in ("finetuned", "finetuned", "finetuned", "original", "same"):
        add_vote(found.run.votes, Vote("x", 0, choice, "original", 1.0))  # type: ignore[arg-type]
    values = told.run(catalogue, found)
    assert values["title"] == "lora / pocket / pocket" and values["steps"] == 100
    metric = values["scores"]["metrics"]["kid"]
    assert (metric["original"], metric["finetuned"]) == (100.0, 90.0)
    assert metric["verdict"] == values["scores"]["verdict"] == "better"
    votes = values["votes"]
    assert (votes["finetuned"], votes["original"], votes["same"]) == (3, 1, 1)
    assert votes["win_rate"] == 0.75 and 0.3 < votes["ci95"][0] < 0.31
    assert not values["has_report"]


def test_curves_are_thinned_and_keep_their_end(tmp_path: Path) -> None:
    (found,) = evaluated(tmp_path).runs
    curves = {one["name"]: one["points"] for one in told.curves(found)}
    assert list(curves) == ["train/loss", "validation/kid"]
    loss = curves["train/loss"]
    assert len(loss) == 334 and loss[-1] == [1000, 0.001] and loss == sorted(loss)
    assert curves["validation/kid"] == [[5, 3.0]]


def test_prompts_come_with_the_noise_of_their_evaluation(tmp_path: Path) -> None:
    (found,) = evaluated(tmp_path).runs
    prompts = told.prompts(found)
    assert [one["prompt"] for one in prompts] == ["a cat 0", "a cat 1", "a cat 2"]
    assert prompts[1]["noise"] == {"prompt_id": f"{1:012x}", "replicate": 0}
    assert prompts[1]["seed"] == 4
    found.run.per_image.unlink()
    assert told.prompts(found) == []


def test_what_cannot_be_read_is_told_too(tmp_path: Path) -> None:
    run_of(tmp_path, "run").config.write_text("training: [")
    catalogue = Catalogue(tmp_path)
    catalogue.refresh()
    (found,) = catalogue.runs
    values = told.run(catalogue, found)
    assert values["status"] == "unreadable" and values["title"] == "run"
    assert "config.yaml" in values["reason"] and str(tmp_path) not in values["reason"]
    assert told.prompts(found) == []
