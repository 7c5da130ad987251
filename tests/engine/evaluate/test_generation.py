from typing import Any

import pytest

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
        request = GenerateRequest("a big red heart", list(range(count)), "ddim", 2, 2.0, "")
        generate(run, folder, recipes(*options), store, request)
        pictures.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert len(made) == 4 and pictures[1] == pictures[2]
    assert pictures[0]["original_0.png"] == pictures[1]["original_0.png"]
    assert pictures[1]["original_0.png"] != pictures[1]["finetuned_0.png"]
