from dataclasses import replace
from pathlib import Path

from sdexp.ground.record_files import read_record
from sdexp.ground.record_files import write_record as write
from sdexp.ground.rows import PromptRow, write_prompt_rows
from sdexp.ground.score_records import ScoresRecord
from sdexp.pages.sweep.facts import read_sweep
from sdexp.pages.sweep.leads import lead_words, standing_of
from sdexp.pages.sweep.ranking import grouped
from tests.pages.sweep_folders import job, make_run, metric, scores, write_record


def make_seeds(folder: Path) -> None:
    """Two settings by two seeds; the seeds of a setting differ by 2 in every prompt."""
    jobs = []
    for number, (setting, seed) in enumerate([(1, 1), (1, 2), (2, 1), (2, 2)]):
        run = make_run(folder / str(number), seed, scores(kid=metric(30.0 + 10 * setting)))
        values = [10.0 * setting + 2 * seed + k % 3 for k in range(24)]
        rows = [PromptRow(f"id{k}", "finetuned", {"kid": v}) for k, v in enumerate(values)]
        write_prompt_rows(run.per_prompt, rows)
        jobs.append(job(number, f"a={setting}", f"training.seed={seed}"))
    write_record(folder, jobs)


def test_seeds_are_averaged_before_prompts_are_paired(tmp_path: Path) -> None:
    make_seeds(tmp_path)
    found = read_sweep(tmp_path)
    standing = standing_of(found, grouped(found))
    assert standing is not None and standing.leads is not None and standing.named
    (lead,) = standing.leads
    assert lead.difference == -10.0 and lead.is_shown and lead.over.label == "a=2"
    assert "than a=2 by -10.00" in lead_words(standing)[0]


def test_without_values_by_prompt_nothing_is_said(tmp_path: Path) -> None:
    make_seeds(tmp_path)
    (tmp_path / "3" / "per_prompt.parquet").unlink()
    found = read_sweep(tmp_path)
    standing = standing_of(found, grouped(found))
    assert standing is not None and standing.leads is None and lead_words(standing) == []
    assert not standing.named and len(standing.better) == 2


def test_of_a_distance_that_has_no_prompts_beating_the_original_must_do(tmp_path: Path) -> None:
    make_seeds(tmp_path)
    for number in range(4):
        (tmp_path / str(number) / "per_prompt.parquet").unlink()
    found = read_sweep(tmp_path)
    standing = standing_of(found, grouped(found))
    # As of a run of before there were such tables.
    assert standing is not None and not standing.named
    for file in tmp_path.glob("*/scores.json"):
        told = read_record(file, ScoresRecord)
        bare = {name: replace(one, ci95=None) for name, one in told.metrics.items()}
        write(file, replace(told, metrics=bare))
    found = read_sweep(tmp_path)
    standing = standing_of(found, grouped(found))
    assert standing is not None and standing.named
