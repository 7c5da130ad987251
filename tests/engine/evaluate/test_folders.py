"""Given pictures are scored as those that are made here."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageFilter

from sdexp.backbone.alexnet import AlexNet
from sdexp.engine.evaluate.folders import compare_folders
from sdexp.ground.errors import DataError
from sdexp.ground.folders import Fit, FoldersConfig
from sdexp.ground.record_files import read_record
from sdexp.ground.run import RunFolder
from sdexp.ground.score_records import ScoresRecord
from sdexp.ground.store import Store
from sdexp.launch.compose import compose
from sdexp.metric.judging import Judging
from sdexp.recipes import build_judging
from tests.pictures import scenes

NAMES = "abcdefgh"


def judging(*words: str) -> Judging:
    return build_judging(compose("evaluate", [*words]).config)


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    (tmp_path / "out").mkdir()
    return RunFolder(tmp_path / "out")


def folders(tmp_path: Path, grey: float, fit: Fit = Fit.crop, side: int = 64) -> FoldersConfig:
    original = scenes(tmp_path / "original", NAMES)
    finetuned = scenes(tmp_path / "finetuned", NAMES, grey)
    real = scenes(tmp_path / "real", f"{NAMES}xyz")
    return FoldersConfig(str(original), str(finetuned), str(real), side, fit)


def test_a_difference_is_found_and_each_score_is_that_of_its_pair(
    tmp_path: Path, run: RunFolder, store: Store
) -> None:
    given = folders(tmp_path, 0.7)
    chosen = judging("metric=[lpips_gt,clip_score,kid]")
    seconds, count = compare_folders(run, given, chosen, store)
    assert seconds > 0 and count == 16
    scores = read_record(run.scores, ScoresRecord)
    assert scores.metrics["lpips_gt"].verdict == "worse" and scores.metrics["kid"].n_reference == 11
    assert (scores.n_prompts, scores.n_split, scores.replicates) == (8, 11, 1)
    assert scores.sampling is None and scores.fitted == given.words
    judge = AlexNet("alexnet").start("cpu")
    for row in pq.read_table(run.per_image).to_pylist():
        made = np.asarray(Image.open(tmp_path / row["model"] / f"{row['sample_id']}.png"))
        real = np.asarray(Image.open(tmp_path / "real" / f"{row['sample_id']}.png"))
        expected = float(judge.pairs(made[None], real[None])[0])
        assert row["lpips_gt"] == pytest.approx(expected, abs=1e-5)


def test_equal_pictures_differ_nowhere(tmp_path: Path, run: RunFolder, store: Store) -> None:
    compare_folders(run, folders(tmp_path, 0.0), judging("metric=[kid,fd,lpips_gt]"), store)
    for metric in read_record(run.scores, ScoresRecord).metrics.values():
        assert (metric.difference, metric.p) == (0.0, 1.0)


def test_swapped_folders_negate_every_difference(
    tmp_path: Path, run: RunFolder, store: Store
) -> None:
    given = folders(tmp_path, 0.5)
    back = FoldersConfig(given.finetuned, given.original, given.reference, 64, Fit.crop)
    found = []
    for side, one in (("there", given), ("back", back)):
        out = RunFolder(tmp_path / side)
        out.path.mkdir()
        compare_folders(out, one, judging("metric=[kid,fd,lpips_gt,clip_score]"), store)
        found.append(read_record(out.scores, ScoresRecord).metrics)
    for name, metric in found[0].items():
        other = found[1][name]
        assert other.difference == -metric.difference != 0 and other.p == metric.p


def blurred(pictures: np.ndarray) -> np.ndarray:
    shown = [Image.fromarray(one).filter(ImageFilter.GaussianBlur(2)) for one in pictures]
    return np.stack([np.asarray(one) for one in shown])


def noisy(pictures: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 30, pictures.shape)
    return np.clip(pictures + noise, 0, 255).astype(np.uint8)


def of_other_captions(pictures: np.ndarray) -> np.ndarray:
    return np.roll(pictures, 1, axis=0)


def collapsed(pictures: np.ndarray) -> np.ndarray:
    return np.repeat(pictures[:1], len(pictures), axis=0)


@pytest.mark.parametrize(
    "degrade, metric",
    [
        (blurred, "lpips_gt"),
        (noisy, "lpips_gt"),
        (blurred, "kid"),
        (noisy, "fd"),
        (of_other_captions, "clip_score"),
        (collapsed, "coverage"),
        (collapsed, "recall"),
    ],
)
def test_a_degradation_is_seen(
    degrade: Callable[[np.ndarray], np.ndarray],
    metric: str,
    tmp_path: Path,
    run: RunFolder,
    store: Store,
) -> None:
    given = folders(tmp_path, 0.0)
    files = sorted((tmp_path / "original").glob("*.png"))
    made = degrade(np.stack([np.asarray(Image.open(file)) for file in files]))
    for file, picture in zip(files, made, strict=True):
        Image.fromarray(picture).save(tmp_path / "finetuned" / file.name)
    compare_folders(run, given, judging(f"metric=[{metric}]"), store)
    found = read_record(run.scores, ScoresRecord).metrics[metric]
    assert (found.difference < 0) == found.higher_is_better and found.difference != 0
    assert found.p < 0.05 or found.least_p > 0.05 or degrade is collapsed


@pytest.mark.parametrize("fit", list(Fit))
def test_pictures_are_fitted_as_said(
    fit: Fit, tmp_path: Path, run: RunFolder, store: Store
) -> None:
    given = folders(tmp_path, 0.2, fit, side=40)
    wide = Image.open(tmp_path / "original" / "a.png").resize((96, 64))
    wide.save(tmp_path / "original" / "a.png")
    compare_folders(run, given, judging("metric=[lpips_gt]"), store)
    row = next(r for r in pq.read_table(run.per_image).to_pylist() if r["sample_id"] == "a")
    found = np.asarray(Image.open(run.path / row["path"]))
    bilinear = Image.Resampling.BILINEAR
    squashed = np.asarray(wide.resize((40, 40), bilinear))
    cropped = np.asarray(wide.resize((60, 40), bilinear).crop((10, 0, 50, 40)))
    assert np.array_equal(found, squashed if fit == Fit.squash else cropped)


def test_without_captions_no_score_needs_them(tmp_path: Path, run: RunFolder, store: Store) -> None:
    given = folders(tmp_path, 0.5)
    (tmp_path / "original" / "captions.json").unlink()
    compare_folders(run, given, judging("metric=[lpips_gt]"), store)
    with pytest.raises(DataError, match=r"clip_score: 8 pictures have no caption \(first: a"):
        compare_folders(run, given, judging("metric=[clip_score]"), store)
    (tmp_path / "original" / "captions.json").write_text("[1]")
    with pytest.raises(DataError, match="captions.json: must be"):
        compare_folders(run, given, judging("metric=[clip_score]"), store)


def test_a_picture_that_is_none_is_named(tmp_path: Path, run: RunFolder, store: Store) -> None:
    given = folders(tmp_path, 0.5)
    (tmp_path / "finetuned" / "c.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="finetuned/c.png: "):
        compare_folders(run, given, judging("metric=[lpips_gt]"), store)
