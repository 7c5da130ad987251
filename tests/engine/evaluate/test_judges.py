"""Judges that cannot judge are told together, before the first picture."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from sdexp.engine.evaluate.judges import NUM_PROMPTS, check_counts, check_judges
from sdexp.ground.assets import located
from sdexp.ground.errors import DataError
from sdexp.ground.store import Store


def test_whole_judges_pass(recipes: Any, store: Store) -> None:
    check_judges(recipes().judging, store, "cpu", 32, 4, 20)


def test_every_judge_that_is_blind_or_damaged_is_told(
    recipes: Any, store: Store, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(located("efficientnet_lite0"), tmp_path / "half"))
    file = folder / "model.safetensors"
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:1000])
    made = recipes(f"backbone.efficientnet_lite0.pretrained_model_name_or_path={folder}")
    with pytest.raises(DataError) as caught:
        check_judges(made.judging, store, "cpu", 16, 4, 20)
    alexnet, efficientnet = str(caught.value).splitlines()
    assert alexnet == "backbone.alexnet: pictures of 16 x 16 pixels; LPIPS needs 31 on each side"
    assert efficientnet.startswith(f"{file}: damaged")


def test_a_judge_that_no_metric_names_is_not_loaded(recipes: Any, store: Store) -> None:
    made = recipes("metric=[clip_score]", "backbone.alexnet.pretrained_model_name_or_path=absent")
    check_judges(made.judging, store, "cpu", 32, 4, 20)


def test_what_a_metric_needs_is_counted_before(recipes: Any, store: Store) -> None:
    made = recipes("metric=[coverage,kid,lpips_diversity]", "evaluation.replicates=1")
    with pytest.raises(DataError) as caught:
        check_judges(made.judging, store, "cpu", 32, 5, 20)
    coverage, diversity, enough = str(caught.value).splitlines()
    assert coverage == (
        "metric.coverage: needs 6 pictures on both sides, there are 5 generated and 20 real ones; "
        "raise evaluation.num_prompts, or leave the metric out"
    )
    assert enough == "for metric=[kid] there are enough"
    assert diversity.startswith("metric.lpips_diversity: compares the pictures of one prompt; set")
    with pytest.raises(DataError, match="metric.kid: needs 2 .* and 1 real ones; add 1"):
        check_judges(made.judging, store, "cpu", 32, 5, 1)


def test_counts_are_checked_without_loading_a_judge(recipes: Any) -> None:
    made = recipes("metric=[coverage]", "backbone.alexnet.pretrained_model_name_or_path=absent")
    check_counts(made.judging, NUM_PROMPTS, 20, 20)
    few = recipes("metric=[kid,coverage,clip_score]").judging
    with pytest.raises(
        DataError, match=r"metric.coverage: needs 6 .*\nfor metric=\[kid,clip_score\]"
    ):
        check_counts(few, NUM_PROMPTS, 2, 2)
    with pytest.raises(DataError, match="there are 8 generated and 4 real ones; add 2 real ones"):
        check_counts(
            recipes("metric=[coverage]", "evaluation.replicates=2").judging, NUM_PROMPTS, 4, 4
        )
