import json
from typing import Any

import pytest
from PIL import Image

from sdexp.engine.evaluate.generation import generate
from sdexp.ground.records import GenerateRequest
from sdexp.ground.store import Store
from sdexp.model.latent_diffusion import LoadedLatentDiffusion
from tests.training import trainer_of


def test_pictures_that_were_made_are_not_made_again(
    new_run: Any, recipes: Any, store: Store, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an interruption: one more seed makes one more picture of each model."""
    options = (tiny, "optimizer.lr=0.01", "training.validation_images_steps=null")
    run = new_run("run", *options)
    trainer_of(run, recipes(*options), store).train()
    made: list[str] = []
    work = LoadedLatentDiffusion.generate

    def counted(self: Any, prompts: list[str], *rest: Any) -> Any:
        made.extend(prompts)
        return work(self, prompts, *rest)

    monkeypatch.setattr(LoadedLatentDiffusion, "generate", counted)
    pictures = []
    for count in (1, 2, 2):
        folder = run.path / f"generated-{len(pictures)}"
        request = GenerateRequest(["a big red heart"], list(range(count)), "ddim", 2, 2.0, "")
        generate(run, folder, recipes(*options), store, request)
        pictures.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert len(made) == 4 and pictures[1] == pictures[2]
    assert pictures[0]["original_0.png"] == pictures[1]["original_0.png"]
    assert pictures[1]["original_0.png"] != pictures[1]["finetuned_0.png"]


def test_every_picture_tells_what_it_was_made_by(
    new_run: Any, recipes: Any, store: Store, tiny: str
) -> None:
    options = (tiny, "optimizer.lr=0.01", "training.validation_images_steps=null")
    run = new_run("run", *options)
    trainer_of(run, recipes(*options), store).train()
    prompts = ["A person, walking!", "a cat " * 30]
    folder = run.path / "made"
    request = GenerateRequest(prompts, [3], "ddim", 2, 2.5, "blurry")
    generate(run, folder, recipes(*options), store, request)
    words = ["A_person__walking_", ("a_cat_" * 30)[:50]]
    names = [f"cmp_{k}_{words[k]}_{side}.png" for k in (0, 1) for side in ("fine", "orig")]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*names, "side_by_side.png"])
    with Image.open(folder / names[0]) as picture:
        texts = picture.text
    assert texts["parameters"] == (
        "A person, walking!\nNegative prompt: blurry\nSteps: 2, Sampler: ddim, CFG scale: 2.5, "
        "Seed: 3, Size: 32x32"
    )
    facts = json.loads(texts["sdexp"])
    assert facts["weights"] == "finetuned" and facts["run"] == "run" and facts["noise"] == [3]
    two = GenerateRequest(prompts[:1] * 1 + ["x"], [3, 4], "ddim", 2, 2.5, "")
    generate(run, run.path / "more", recipes(*options), store, two)
    assert (run.path / "more" / "cmp_1_x_4_orig.png").is_file()
