import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sdexp.dataset.scenes import captions, draw, make_scene
from sdexp.ground.run import MODELS, RunFolder
from sdexp.pages.environment import markdown_cell
from sdexp.pages.figures import smooth
from sdexp.pages.run.facts import extremes, number, read_facts, verdict_lines
from sdexp.pages.run.page import write_report

METRIC = {
    "original": 20.0, "finetuned": 24.0, "difference": 4.0, "ci95": [3.1, 4.9], "p": 0.001,
    "minimum_detectable_effect": 0.4, "smallest_effect": 0.5, "higher_is_better": True,
    "backbone": "pocket-clip", "n": 12, "n_reference": 0, "verdict": "better",
}  # fmt: skip
HOSTILE = '<script>alert(1)</script> | **bold** `x` [a](b) "q" <img src=x onerror=y>'


def scores(**changes: Any) -> dict[str, Any]:
    lower = METRIC | {"higher_is_better": False, "n_reference": 50}
    return {
        "primary": "kid", "n_prompts": 12, "replicates": 1, "control": None,
        "sampling": {"sampler": "ddim", "num_inference_steps": 20, "guidance_scale": 3.0,
                     "negative_prompt": "", "resolution": 64},
        "metrics": {"clip_score": METRIC, "fid": lower | {"ci95": None},
                    "kid": lower | {"difference": -4.0} | changes},
        "applied": {"applied": 112, "changed": 111, "missing": [], "unexpected": []},
        "controls": {"real_vs_real": {"kid": {"value": 0.02, "n": 25, "n_reference": 25}},
                     "shuffled_captions": {"clip_score": {"original": 9.0, "finetuned": 9.5}}},
        "warnings": ["fid rests on 50 real pictures"],
    }  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A finished run with drawn pictures and one hostile caption."""
    folder = RunFolder(tmp_path)
    rows = []
    for k in range(12):
        scene = make_scene(k)
        looks = {"original": "plain", "finetuned": "crayon", "reference": "crayon"}
        for name, look in looks.items():
            folder.images(name).mkdir(parents=True, exist_ok=True)
            suffix = "" if name == "reference" else "_0"
            draw(scene, look).save(folder.images(name) / f"id{k:02d}{suffix}.png")
        for model in MODELS:
            gain = (k * 7 % 12) if model == "finetuned" else 0
            caption = HOSTILE if k == 0 else captions(scene)[0]
            rows.append(
                {"prompt_id": f"id{k:02d}", "replicate": 0, "model": model, "caption": caption,
                 "clip_score": 10.0 + gain}
            )  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), folder.per_image)
    folder.scores.write_text(json.dumps(scores()))
    folder.config.write_text("training:\n  seed: 0\n")
    log = [
        {"step": s, "epoch": 0.1, "split": split, "name": "loss", "value": 1 / (s + 1), "time": 0}
        for s in range(20)
        for split in ("train", "validation")
    ]
    folder.log.write_text("\n".join(map(json.dumps, log)) + "\n")
    folder.update_record(
        status="finished", stage="evaluate", reason=None, device="cpu",
        command="python -m sdexp.train", chosen_later=[], grown_from=[],
        choices={"model": "pocket", "finetune": "lora", "dataset": "pocket"},
        versions={"torch": "2"},
        data={"train": {"pictures": 9, "captions": 45, "manifest": "f" * 64,
                        "dropped": [["bad<b>.jpg", "truncated"]], "repaired": []}},
        training={"steps": 19, "epochs": 0.4, "first_step": 1, "seconds": 3.0,
                  "trainable_parameters": 100,
                  "total_parameters": 1000, "peak_memory_gb": 1.2, "best_step": None},
    )  # fmt: skip
    return folder


def test_both_files_tell_verdict_numbers_and_proof(run: RunFolder) -> None:
    write_report(run)
    for file in (run.report_html, run.report_md):
        text = " ".join(file.read_text().split()).replace("\\", "")
        assert "The fine-tuned model is better on kid." in text
        assert "112 tensors applied, 111 differ" in text
        assert "pocket-clip" in text and "fid rests on 50 real pictures" in text
        assert "truncated" in text and "python -m sdexp.train" in text


def test_the_page_needs_nothing_from_outside_and_runs_nothing(run: RunFolder) -> None:
    write_report(run)
    page = run.report_html.read_text()
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert sources and all(s.startswith(("data:image/png;base64,", "#")) for s in sources)
    assert "<script" not in page and "onerror=y>" not in page and "@import" not in page
    assert "&lt;script&gt;" in page and "bad&lt;b&gt;.jpg" in page


def test_markdown_is_inert(run: RunFolder) -> None:
    write_report(run)
    text = run.report_md.read_text()
    assert "<script" not in text and "<img" not in text and "**bold**" not in text
    tables = [line for line in text.splitlines() if line.startswith("| ") and "![original]" in line]
    assert all(len(re.findall(r"(?<!\\)\|", line)) == 5 for line in tables) and len(tables) == 9


def test_markdown_links_lead_to_the_pictures(run: RunFolder) -> None:
    write_report(run)
    links = re.findall(r"!\[\w+\]\(([^)]*)\)", run.report_md.read_text())
    assert len(links) == 27 and all((run.path / link).is_file() for link in links)


def test_the_same_folder_gives_the_same_bytes(run: RunFolder) -> None:
    write_report(run)
    first = run.report_html.read_bytes(), run.report_md.read_bytes()
    write_report(run)
    assert (run.report_html.read_bytes(), run.report_md.read_bytes()) == first


@pytest.mark.parametrize(
    "verdict, sentence",
    [
        ("better", "better on kid"),
        ("worse", "worse on kid"),
        ("no evidence", "No evidence of a difference on kid"),
        ("underpowered", "Too few prompts to tell about kid"),
    ],
)
def test_every_verdict_has_its_sentence(run: RunFolder, verdict: str, sentence: str) -> None:
    run.scores.write_text(json.dumps(scores(verdict=verdict)))
    assert sentence in verdict_lines(read_facts(run))[1]


def test_a_control_is_no_verdict(run: RunFolder) -> None:
    run.scores.write_text(json.dumps(scores() | {"control": "self", "applied": None}))
    write_report(run)
    page = run.report_html.read_text()
    assert "the original against itself" in page and "is better on" not in page
    assert "clip_score, fid, kid differ: do not trust" in page
    same = {name: m | {"difference": 0.0} for name, m in scores()["metrics"].items()}
    run.scores.write_text(json.dumps(scores() | {"control": "self", "metrics": same}))
    assert "every difference is exactly 0" in verdict_lines(read_facts(run))[2]


def test_without_an_evaluation_the_page_says_so(run: RunFolder) -> None:
    run.scores.unlink()
    run.per_image.unlink()
    write_report(run)
    page = run.report_html.read_text()
    assert "Trained, not evaluated." in page and "<svg" in page and "Scores" not in page


@pytest.mark.parametrize(
    "status, stage, sentence",
    [
        ("failed", "train", "The run failed."),
        ("failed", "evaluate", "Trained; the evaluation failed."),
        ("running", "train", "The run is not finished."),
        ("running", "evaluate", "Trained; the evaluation is not finished."),
    ],
)
def test_an_unfinished_run_has_no_verdict(
    run: RunFolder, status: str, stage: str, sentence: str
) -> None:
    run.update_record(status=status, stage=stage, reason="the disk is full")
    assert verdict_lines(read_facts(run))[1] == sentence


def test_the_page_has_its_parts_in_order_and_the_verdict_first(run: RunFolder) -> None:
    write_report(run)
    page = run.report_html.read_text()
    parts = [
        "The fine-tuned model is better on kid.", "Proof of loading", "Warnings", "<h2>Scores",
        "+3.100 to +4.900", "0.400 / 0.500", "<td>12</td>", "pocket-clip", "Controls",
        "25 real pictures against 25 others: 0.020", "Same prompt, same noise", "Gained most",
        "Lost most", "validation, fixed noise", "seed: 0", "python -m sdexp.train", "f" * 64,
    ]  # fmt: skip
    place = 0
    for part in parts:
        place = page.find(part, place)
        assert place > 0, f"{part} is missing or too early"
    assert page.count('alt="original"') == page.count('alt="real picture"') == 9 + 3 + 3


def test_after_another_evaluation_its_configuration_is_shown(run: RunFolder) -> None:
    run.evaluation_config.write_text("evaluation:\n  replicates: 7\n")
    run.update_record(evaluate_command="python -m sdexp.evaluate run=x evaluation.replicates=7")
    write_report(run)
    page = run.report_html.read_text()
    assert "replicates: 7" in page and "sdexp.evaluate run=x" in page


def test_a_failed_run_says_why(run: RunFolder) -> None:
    run.update_record(status="failed", stage="train", reason="step 3: loss nan")
    run.log.unlink()
    run.scores.unlink()
    write_report(run)
    page = run.report_html.read_text()
    assert "The run failed." in page and "step 3: loss nan" in page


def test_best_and_worst_are_ordered_by_difference(run: RunFolder) -> None:
    name, best, worst = extremes(run, read_facts(run))
    assert name == "clip_score"
    assert [t.note for t in best] == [f"clip_score +{v}" for v in ("11.00", "10.00", "9.000")]
    assert [t.note for t in worst][:2] == ["clip_score +0.000", "clip_score +1.000"]


def test_numbers_read_well() -> None:
    values = {1234.56: "1234.6", 24.1: "24.10", 3.14159: "3.142", 0.004567: "0.00457", 0.0: "0.000"}
    assert {value: number(value) for value in values} == values
    assert number(-0.5, signed=True) == "-0.500" and number(None) == "-"


def test_smoothing_starts_without_bias() -> None:
    assert smooth((2.0, 2.0, 2.0)) == pytest.approx([2.0, 2.0, 2.0])
    assert np.all(np.diff(smooth((0.0, 1.0, 1.0, 1.0))) > 0)


def test_cells_are_one_line() -> None:
    assert markdown_cell("a\nb  c") == "a b c"
