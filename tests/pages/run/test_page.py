import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdexp.dataset.scenes import captions, draw, make_scene
from sdexp.ground.errors import DataError
from sdexp.ground.record_files import write_record
from sdexp.ground.records import (
    ControlsRecord,
    EvaluationRecord,
    FloorRecord,
    PairRecord,
    ScoresRecord,
)
from sdexp.ground.rows import write_rows
from sdexp.ground.run import MODELS, EvaluationFolder, RunFolder
from sdexp.pages.environment import markdown_cell
from sdexp.pages.figures import smooth
from sdexp.pages.run.facts import read_facts
from sdexp.pages.run.page import write_report
from sdexp.pages.run.pictures import extremes
from sdexp.pages.run.verdict import verdict_lines
from sdexp.pages.words import number
from tests import records
from tests.records import metric, write_log

METRIC = metric(
    24.0,
    up=True,
    verdict="better",
    original=20.0,
    difference=4.0,
    ci95=(3.1, 4.9),
    n=12,
    n_reference=0,
)
HOSTILE = '<script>alert(1)</script> | **bold** `x` [a](b) "q" <img src=x onerror=y>'


def scores(**changes: Any) -> ScoresRecord:
    """`changes` are those of the primary metric."""
    lower = replace(METRIC, higher_is_better=False, n_reference=50)
    metrics = {
        "kid": replace(lower, **({"difference": -4.0} | changes)),
        "clip_score": METRIC,
        "fid": replace(lower, ci95=None),
    }
    controls = ControlsRecord(
        real_vs_real={"kid": FloorRecord(0.02, 25, 25)},
        shuffled_captions={"clip_score": PairRecord(9.0, 9.5)},
    )
    return records.scores(metrics, n_prompts=12, controls=controls)


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
            rows.append(records.row(f"id{k:02d}", model, caption, clip_score=10.0 + gain))
    write_rows(folder.per_image, rows)
    write_record(folder.scores, scores())
    folder.config.write_text("training:\n  seed: 0\n")
    steps = [(step, split) for step in range(20) for split in ("train", "validation")]
    write_log(folder.log, [{"step": s, "split": split, "value": 1 / (s + 1)} for s, split in steps])
    folder.write_record(
        replace(
            records.FINISHED,
            choices={"model": "pocket", "finetune": "lora", "dataset": "pocket"},
            data={"train": records.split("f" * 64, dropped=[("bad<b>.jpg", "truncated")])},
        )
    )
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
    write_record(run.scores, scores(verdict=verdict))
    assert sentence in verdict_lines(read_facts(run))[1]


def test_a_control_is_no_verdict(run: RunFolder) -> None:
    control = replace(scores(), control="self", applied=None)
    write_record(run.scores, control)
    write_report(run)
    page = run.report_html.read_text()
    assert "the original against itself" in page and "is better on" not in page
    assert "kid, clip_score, fid differ: do not trust" in page
    same = {name: replace(metric, difference=0.0) for name, metric in control.metrics.items()}
    write_record(run.scores, replace(control, metrics=same))
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
    run.change_record(status=status, stage=stage, reason="the disk is full")
    assert verdict_lines(read_facts(run))[1] == sentence


def test_the_page_has_its_parts_in_order_and_the_verdict_first(run: RunFolder) -> None:
    write_report(run)
    page = run.report_html.read_text()
    parts = [
        "The fine-tuned model is better on kid.", "Proof of loading", "Warnings", "<h2>Scores",
        "+3.100 to +4.900", "0.400 / 0.500", "<td>12</td>", "Controls",
        "25 real pictures against 25 others: 0.020", "Same prompt, same noise", "Gained most",
        "Lost most", "validation, fixed noise", "seed: 0", "python -m sdexp.train", "f" * 64,
    ]  # fmt: skip
    place = 0
    for part in parts:
        place = page.find(part, place)
        assert place > 0, f"{part} is missing or too early"
    assert page.count('alt="original"') == page.count('alt="real picture"') == 9 + 3 + 3


def beside(run: RunFolder, name: str, told: ScoresRecord | None) -> EvaluationFolder:
    """An evaluation beside the run's own."""
    folder = run.evaluation(name)
    record = EvaluationRecord(
        command="python -m sdexp.evaluate run=x evaluation.replicates=7",
        started="2026",
        differs=["evaluation.replicates: 1 -> 7"],
        chosen_later=["evaluation.primary"],
        steps=100,
        status="finished" if told else "failed",
        reason=None if told else "the disk is full",
    )
    write_config_text(folder, "evaluation:\n  replicates: 7\n")
    write_record(folder.evaluation_record, record)
    if told:
        write_record(folder.scores, told)
    return folder


def write_config_text(folder: EvaluationFolder, text: str) -> None:
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.config.write_text(text)


def test_an_evaluation_beside_the_runs_own_has_a_page_and_a_line(run: RunFolder) -> None:
    worse = scores(verdict="worse", finetuned=31.0)
    folder = beside(run, "2026_replicates-7", worse)
    beside(run, "2027_broken", None)
    assert write_report(run, folder) == [] and write_report(run) == []
    page = folder.report_html.read_text()
    assert "The fine-tuned model is worse on kid." in page and "replicates: 7" in page
    assert "evaluation.replicates: 1 -&gt; 7" in page and 'href="../../report.html"' in page
    assert "evaluation.primary was chosen after the run" in page
    own = run.report_html.read_text()
    assert "The fine-tuned model is better on kid." in own and "chosen after" not in own
    assert 'href="evaluations/2026_replicates-7/report.html"' in own and "31.00" in own
    assert "2027_broken" in own and '<span class="soft">failed</span>' in own
    assert "Other evaluations" not in page
    run.change_record(training=replace(records.TRAINING, steps=200))
    assert "made with the weights of step 100" in " ".join(read_facts(run, folder).warnings)


def test_what_cannot_be_read_is_told_and_the_rest_is_shown(run: RunFolder) -> None:
    run.scores.write_text('{"format": 1, "prim')
    run.per_image.write_bytes(b"PAR1")
    with run.log.open("ab") as log:
        log.write(b"\x89 no row\n")
    faults = write_report(run)
    assert [
        name in fault
        for name, fault in zip(
            ("log.jsonl", "scores.json", "per_image.parquet"), faults, strict=True
        )
    ] == [True] * 3
    page = run.report_html.read_text()
    assert "<svg" in page and "1 line is damaged (first: line 41)" in page


def test_pictures_that_are_gone_or_broken_are_counted(run: RunFolder) -> None:
    (run.images("original") / "id00_0.png").unlink()
    (run.images("finetuned") / "id01_0.png").write_bytes(b"\x89PNG broken")
    (fault,) = write_report(run)
    assert "2 pictures cannot be read (first: " in fault and "id00_0.png" in fault
    page = run.report_html.read_text()
    assert page.count('<span class="missing">missing</span>') >= 2 and "2 pictures cannot" in page


def test_without_its_record_nothing_can_be_told(run: RunFolder) -> None:
    run.record.unlink()
    with pytest.raises(DataError, match=r"run\.json: missing"):
        write_report(run)
    assert not run.report_html.exists()


def test_a_failed_run_says_why(run: RunFolder) -> None:
    run.change_record(status="failed", stage="train", reason="step 3: loss nan")
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
