import re
from dataclasses import replace

from sdexp.ground.run import RunFolder
from sdexp.pages.run.facts import read_facts
from sdexp.pages.run.page import write_report
from tests import records
from tests.pages.markup import without_script
from tests.pages.run.folders import beside, scores


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
    page = without_script(run.report_html.read_text())
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    # Pictures stand in the page; links to whole files lead into the folder.
    inside = ("data:image/png;base64,", "data:image/webp;base64,", "#")
    files = [source for source in sources if not source.startswith(inside)]
    assert files and all((run.path / file).exists() for file in files)
    assert not re.search(r'src="(?!data:)', page)
    assert "<script" not in page and "onerror=y>" not in page and "@import" not in page
    assert "&lt;script&gt;" in page and "bad&lt;b&gt; truncated" in page


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


def test_without_an_evaluation_the_page_says_so(run: RunFolder) -> None:
    run.scores.unlink()
    run.per_image.unlink()
    write_report(run)
    page = run.report_html.read_text()
    assert "Trained, not evaluated." in page and "<svg" in page and "Scores" not in page


def test_the_page_has_its_parts_in_order_and_the_verdict_first(run: RunFolder) -> None:
    write_report(run)
    page = run.report_html.read_text()
    parts = [
        "The fine-tuned model is better on kid.", "Proof of loading", "Warnings", "<h2>Scores",
        "+3.100 to +4.900", "0.400 / 0.500", ">12 / 6<span", "Controls",
        "25 real pictures against 25 others: 0.020", "Same prompt, same noise", "Gained most",
        "Lost most", "validation, fixed noise", "seed: 0", "python -m sdexp.train", "f" * 64,
    ]  # fmt: skip
    place = 0
    for part in parts:
        place = page.find(part, place)
        assert place > 0, f"{part} is missing or too early"
    # Some in the sections of their own, and all among the pairs.
    assert page.count('alt="original: ') == 9 + 3 + 3 + 12
    assert page.count('alt="real picture: ') == 9 + 3 + 3 and page.count('alt="real: ') == 12


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


def test_a_failed_run_says_why(run: RunFolder) -> None:
    run.change_record(status="failed", stage="train", reason="step 3: loss nan")
    run.log.unlink()
    run.scores.unlink()
    write_report(run)
    page = run.report_html.read_text()
    assert "The run failed." in page and "step 3: loss nan" in page
