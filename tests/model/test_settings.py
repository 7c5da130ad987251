from pathlib import Path

import pytest

from sdexp.ground.assets import located
from sdexp.ground.errors import DataError
from sdexp.model.architecture import CONFIGS
from sdexp.model.settings import native_resolution, tokenizers
from tests.checkpoints import of

SIDES = {"sd1": 512, "sd2": 768, "sd2_base": 512, "sd_turbo": 512, "sdxl": 1024, "sdxl_turbo": 512}


@pytest.mark.parametrize("architecture", SIDES)
def test_each_architecture_says_its_side(architecture: str) -> None:
    assert native_resolution(CONFIGS / architecture) == SIDES[architecture]


def test_recipes_say_before_loading_what_models_say_after(folders: dict[str, Path]) -> None:
    for name in folders:
        recipe = of(folders, name)
        model = recipe.load("cpu")
        assert recipe.native_resolution() == model.sample_size
        captions = ["a", "a red cat " * 30, "x" * 70, "x, " * 74]
        long = recipe.overlong(captions)
        assert sum(long) == model.overlong(captions) and long[1] and not long[0]


def test_tokenizers_come_from_the_folder_or_the_architecture() -> None:
    own = tokenizers(Path(located("pocket-sd")), ["text_encoder"])
    published = tokenizers(CONFIGS / "sdxl", ["text_encoder", "text_encoder_2"])
    assert list(own) == ["tokenizer"] and list(published) == ["tokenizer", "tokenizer_2"]
    assert len(published["tokenizer"]) == 49_408 != len(own["tokenizer"])


def test_a_folder_that_does_not_say_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no diffusers folder"):
        native_resolution(tmp_path)
    with pytest.raises(DataError, match="holds no tokenizer; name a whole"):
        tokenizers(tmp_path, ["text_encoder"])
