from pathlib import Path

import yaml
from omegaconf import OmegaConf

from sdexp.ground.run import RunFolder
from sdexp.pages.run.card import licence_of, write_model_card


def test_a_card_tells_base_scores_and_use(sweep: Path, tmp_path: Path) -> None:
    run = RunFolder(sweep / "0")
    config = OmegaConf.load(run.config)
    config.model = {"pretrained_model_name_or_path": "pocket-sd"}
    config.finetune = {"path": str(tmp_path), "rank": 4}
    OmegaConf.save(config, run.config)
    write_model_card(run, tmp_path, "kohya")
    text = (tmp_path / "README.md").read_text()
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["base_model"] and front["library_name"] == "diffusers"
    assert "license" not in front, "the embedded original has no card"
    assert "95 % interval" in text and "| kid" in text and "LoRA folder" in text
    assert str(tmp_path) not in text


def test_the_licence_is_that_of_the_originals_card(tmp_path: Path) -> None:
    card = tmp_path / "README.md"
    card.write_text("---\nlicense: openrail++\n---\n# A model\n")
    assert licence_of(str(tmp_path)) == "openrail++"
    for text in ("# no front\n", "---\n[\n---\n", "---\nlanguage: en\n---\n"):
        card.write_text(text)
        assert licence_of(str(tmp_path)) is None
    for name in ("owner/absent", "./absent", "models/my model", "../x"):
        assert licence_of(name) is None
