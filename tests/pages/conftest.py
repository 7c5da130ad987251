from pathlib import Path

import pytest

from tests.pages.sweep_folders import (
    FINETUNED,
    HOSTILE,
    job,
    make_run,
    metric,
    scores,
    write_record,
)


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    """Two learning rates by two seeds, and three jobs that left nothing to score."""
    jobs = []
    for number, ((lr, seed), value) in enumerate(FINETUNED.items()):
        drift = {"lpips_gt": {"value": 0.1 * (number + 1), "ci95": None, "backbone": "x"}}
        told = scores(kid=metric(value), clip=metric(101 + number, up=True)) | {"drift": drift}
        make_run(tmp_path / str(number), seed, told, lr)
        jobs.append(job(number, f"optimizer.lr={lr}", f"+training.seed={seed}", "a.b=1"))
    jobs.append(
        job(4, "optimizer.lr=1", "training.seed=1", "a.b=1", status="failed", exit_code=76,
            reason=HOSTILE)
    )  # fmt: skip
    jobs.append(job(5, "optimizer.lr=1", "training.seed=2", "a.b=1", status="waiting",
                    exit_code=None))  # fmt: skip
    jobs.append(job(6, f"optimizer.lr={HOSTILE}", "a.b=1", status="interrupted", exit_code=130))
    half = make_run(tmp_path / "4", 1, None, "1")
    half.change_record(status="failed")
    half.per_image.write_bytes(b"PAR1")
    half.scores.write_text('{"primary": "ki')
    write_record(tmp_path, jobs)
    return tmp_path
