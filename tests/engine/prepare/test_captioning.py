from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import BlipForConditionalGeneration, BlipProcessor

from sdexp.dataset.imagefolder import ImageFolder
from sdexp.engine.prepare.captioning import Captioner, write_captions
from sdexp.ground.audit_records import PrepareRequest
from sdexp.ground.errors import DataError
from tests.blips import save_blip
from tests.dataset.hubs import png


def request(captioner: Path) -> PrepareRequest:
    return PrepareRequest("", True, str(captioner), 3, 5, 20, False)


@pytest.fixture(scope="module")
def blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_blip(tmp_path_factory.mktemp("blip") / "small")


def test_captions_are_those_of_the_library(blip: Path) -> None:
    processor = BlipProcessor.from_pretrained(blip)
    model = BlipForConditionalGeneration.from_pretrained(blip).eval()
    image = Image.new("RGB", (40, 30), (200, 30, 30))
    given = processor(images=image, return_tensors="pt")
    with torch.no_grad():
        tokens = model.generate(**given, num_beams=3, min_new_tokens=5, max_new_tokens=20)
    expected = processor.decode(tokens[0], skip_special_tokens=True)
    assert Captioner(request(blip), "cpu")(image) == expected.strip() != ""


def test_a_damaged_picture_stops_no_other_and_captions_stay(
    blip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for k in range(5):
        (tmp_path / f"{k}.png").write_bytes(png((k, 0, 0)))
    (tmp_path / "2.png").write_bytes(b"no picture")
    (tmp_path / "3.txt").write_text("mine\n")
    data = ImageFolder(str(tmp_path), max_dropped_fraction=0.5)
    told = write_captions(data, request(blip), "cpu")
    assert told == "captions: 3 written by small; 1 got none, 1 of them damaged"
    assert "2.png: not a picture" in capsys.readouterr().out
    assert (tmp_path / "3.txt").read_text() == "mine\n"
    assert {path.name for path in tmp_path.glob("*.txt")} == {f"{k}.txt" for k in (0, 1, 3, 4)}
    data.check()


def test_what_is_no_blip_is_told(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match="captioner=.*: cannot be loaded as a BLIP model"):
        Captioner(request(tmp_path), "cpu")


def test_weights_that_are_not_whole_are_refused(blip: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for file in blip.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors[next(name for name in tensors if "vision_model" in name)]
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(DataError, match="captioner=.*missing"):
        Captioner(request(tmp_path), "cpu")


def test_where_all_have_captions_nothing_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png((0, 0, 0)))
    (tmp_path / "a.txt").write_text("a caption")
    told = write_captions(ImageFolder(str(tmp_path)), request(tmp_path / "absent"), "cpu")
    assert told == "captions: every picture has one already"
