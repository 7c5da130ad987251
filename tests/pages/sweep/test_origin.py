from pathlib import Path

from sdexp.pages.sweep.page import write_sweep_report
from tests.pages.sweep_folders import (
    HOSTILE,
    Page,
    job,
    make_run,
    metric,
    scores,
    told,
    write_record,
)
from tests.records import split


def test_jobs_without_a_result_say_why_and_how_to_go_on(sweep: Path) -> None:
    write_sweep_report(sweep)
    text = Page(sweep).text
    assert f"job 4 failed , exit code 76 (lr=1, seed=1) : {HOSTILE}" in text
    assert f"python -m sdexp.train optimizer.lr=1 run_dir={sweep / '4'}" in text
    assert "job 5 waiting" in text and "job 6 interrupted , exit code 130" in text
    assert f"python -m sdexp.train -m x=1,2 run_dir={sweep}" in text
    lines = [line for line in told(sweep) if line.startswith("job 4: ")]
    for name in ("scores.json", "per_image.parquet"):
        assert any(f"{name}: damaged" in line for line in lines)


def test_what_may_not_be_compared_is_named(tmp_path: Path) -> None:
    for number in range(2):
        run = make_run(tmp_path / str(number), 1, scores(kid=metric(30.0)))
    config = run.config.read_text().replace("guidance_scale: 3.0", "guidance_scale: 7.0")
    run.config.write_text(config)
    run.change_record(base_weights={"unet": "v" * 64}, data={"test": split("n" * 64)})
    write_record(tmp_path, [job(0, "a=1"), job(1, "a=2")])
    lines = "\n".join(told(tmp_path))
    assert "evaluation.guidance_scale differs between the runs (3.0, 7.0)" in lines
    assert "the original's weights differ between the runs (unet)" in lines
    assert "the test pictures or captions differ" in lines
    write_record(tmp_path, [job(0, "model=a", "dataset=a"), job(1, "model=b", "dataset=b")])
    lines = "\n".join(told(tmp_path))
    assert "weights differ" not in lines and "scored on different test pictures" in lines
