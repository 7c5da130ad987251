"""Folders in place of a run, through the door."""

from pathlib import Path

import pytest
from PIL import Image, ImageFilter

from sdexp import evaluate, report
from sdexp.ground.record_files import read_record
from sdexp.ground.run import RunFolder
from sdexp.ground.score_records import ScoresRecord
from tests.commands import fault
from tests.pictures import scenes
from tests.shared import shared

GIVEN = ["pictures.original=a", "pictures.finetuned=b", "pictures.reference=r", "run_dir=out"]
QUICK = ["pictures.resolution=64", "metric=[lpips_gt,kid]"]


@pytest.fixture(autouse=True)
def pictures(empty_folder: Path) -> None:
    scenes(Path("a"), "klmnopq")
    scenes(Path("b"), "klmnopq", grey=0.6)
    scenes(Path("r"), "klmnopqxyz")


def test_they_are_compared_and_have_a_page(capfd: pytest.CaptureFixture[str]) -> None:
    assert evaluate.main([*GIVEN, *QUICK]) == 0
    run = RunFolder(Path("out"))
    assert read_record(run.scores, ScoresRecord).metrics["lpips_gt"].verdict == "worse"
    assert run.read_record().of_folders and run.read_record().status == "finished"
    told = capfd.readouterr().out
    assert "evaluation folder: out" in told and told.endswith("report: out/report.html\n")
    page = run.report_html.read_text()
    assert "given pictures" in page and "cropped at the centre to 64 pixels" in page
    run.report_html.unlink()
    assert report.main(["run=out"]) == 0 and run.report_html.exists()


def test_without_real_pictures_only_captions_speak(capfd: pytest.CaptureFixture[str]) -> None:
    words = [word for word in GIVEN if "reference" not in word]
    assert evaluate.main([*words, "pictures.resolution=64", "metric=[clip_score]"]) == 0
    assert "cannot be read" not in capfd.readouterr().err
    assert not RunFolder(Path("out")).images("reference").exists()


WRONG = {
    "pictures.finetuned=null": (2, "pictures.finetuned: a value is missing; name a folder"),
    "pictures.reference=null": (2, "metric lpips_gt holds pictures against real ones: name"),
    "pictures.original=absent": (2, "pictures.original=absent: no such folder"),
    "pictures.resolution=0": (2, "pictures.resolution=0: allowed is 1 or more"),
    "pictures.fit=stretch": (2, "Invalid value 'stretch', expected one of [crop, squash]"),
    "run=x": (2, "run=x beside pictures.*: name a run or folders of pictures"),
    "run_dir=a": (2, "run_dir=a: holds files; name a new or empty folder"),
    "pictures.finetuned=r": (65, "3 pictures have no partner (first: x); pictures are paired"),
    "pictures.original=empty": (65, "pictures.original=empty: holds no picture (.bmp, .jpeg"),
}


@pytest.mark.parametrize("override", WRONG)
def test_wrong_folders_are_one_line(override: str, capfd: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    code, words = WRONG[override]
    assert words in fault(capfd, code, *GIVEN, *QUICK, override, door=evaluate)
    assert not Path("out").exists()


def test_what_the_worker_refuses_leaves_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    (Path("b") / "m.png").write_bytes(b"no picture")
    line = fault(capfd, 65, *GIVEN, *QUICK, door=evaluate)
    assert "b/m.png: " in line and not Path("out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("blurred", [True, False])
def test_embedded_judges_see_blur_on_real_photos_and_nothing_where_nothing_is(
    blurred: bool,
) -> None:
    for side in ("sharp", "other"):
        Path(side).mkdir()
    for file in shared("photos/train").iterdir():
        if file.suffix in (".jpg", ".png"):
            photo = Image.open(file).convert("RGB").resize((256, 256))
            photo.save(f"sharp/{file.stem}.png")
            radius = 4 if blurred else 0
            photo.filter(ImageFilter.GaussianBlur(radius)).save(f"other/{file.stem}.png")
    words = ["pictures.original=sharp", "pictures.finetuned=other", "pictures.reference=sharp"]
    words += ["pictures.resolution=256", "metric=offline", "run_dir=out"]
    assert evaluate.main(words) == 0
    metrics = read_record(RunFolder(Path("out")).scores, ScoresRecord).metrics
    assert len(metrics) == 7
    for name, metric in metrics.items():
        if blurred and name in ("kid", "fd", "lpips_gt"):
            assert metric.verdict == "worse", name
        elif not blurred:
            assert (metric.difference, metric.p) == (0.0, 1.0), name
