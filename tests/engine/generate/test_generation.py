import json
from typing import Any

import pytest
from PIL import Image

from sdexp.engine.generate.generation import generate
from sdexp.ground.picture_requests import FINETUNED, ORIGINAL, Fillers, GridConfig, Variant
from sdexp.ground.store import Store
from sdexp.model.latent_diffusion import LoadedLatentDiffusion
from tests.engine.generate.trained import png_names, request, trained


def test_pictures_that_were_made_are_not_made_again(
    new_run: Any, recipes: Any, store: Store, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an interruption: one more seed makes one more picture of each model."""
    run, made_of = trained(new_run, recipes, store, tiny)
    made: list[str] = []
    work = LoadedLatentDiffusion.generate

    def counted(self: Any, prompts: list[str], *rest: Any) -> Any:
        made.extend(prompts)
        return work(self, prompts, *rest)

    monkeypatch.setattr(LoadedLatentDiffusion, "generate", counted)
    pictures = []
    for count in (1, 2, 2):
        folder = run.path / f"generated-{len(pictures)}"
        generate(run, folder, made_of, store, request(["a big red heart"], list(range(count))))
        pictures.append({file.name: file.read_bytes() for file in folder.iterdir()})
    assert len(made) == 4 and pictures[1] == pictures[2]
    assert pictures[0]["original_0.png"] == pictures[1]["original_0.png"]
    assert pictures[1]["original_0.png"] != pictures[1]["finetuned_0.png"]


def test_every_picture_tells_what_it_was_made_by(
    new_run: Any, recipes: Any, store: Store, tiny: str
) -> None:
    run, made_of = trained(new_run, recipes, store, tiny)
    prompts = ["A person, walking!", "a cat " * 30]
    folder = run.path / "made"
    generate(run, folder, made_of, store, request(prompts, [3], negative_prompt="blurry"))
    words = ["A_person__walking_", ("a_cat_" * 30)[:50]]
    names = {f"cmp_{k}_{words[k]}_{side}.png" for k in (0, 1) for side in ("fine", "orig")}
    assert png_names(folder) == {*names, "side_by_side.png"}
    with Image.open(folder / "cmp_0_A_person__walking__fine.png") as picture:
        texts = picture.text
    assert texts["parameters"] == (
        "A person, walking!\nNegative prompt: blurry\nSteps: 2, Sampler: ddim, CFG scale: 2.5, "
        "Seed: 3, Size: 32x32"
    )
    facts = json.loads(texts["sdexp"])
    assert facts["weights"] == "finetuned" and facts["run"] == "run" and facts["noise"] == [3]


def test_a_grid_is_made_of_the_runs_own_pictures(
    new_run: Any, recipes: Any, store: Store, tiny: str
) -> None:
    run, made_of = trained(new_run, recipes, store, tiny)
    folder = run.path / "grid"
    grid = GridConfig("a big red heart", Fillers.dataset, 4, 64)
    generate(run, folder, made_of, store, request(["a big red heart"], [5], grid=grid))
    rows = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    assert len(rows) == 32 and all((folder / row["file"]).is_file() for row in rows)
    named = {row["file"] for row in rows}
    assert png_names(folder) == named | {"grid_original.png", "grid_finetuned.png"}
    scores = json.loads((folder / "scores.json").read_text())["scores"]
    assert set(scores) == {"original", "finetuned"}
    assert scores["original"]["fillers"] == scores["finetuned"]["fillers"]
    # Every PNG tells what it is.
    for file in folder.rglob("*.png"):
        with Image.open(file) as picture:
            assert json.loads(picture.text["sdexp"])
    real = next(row for row in rows if row["kind"] == "filler")
    with Image.open(folder / real["file"]) as picture:
        assert json.loads(picture.text["sdexp"])["sample_id"] == real["sample_id"]
    # A seed of the manifest makes the same picture alone.
    main = next(row for row in rows if row["kind"] == "main" and row["weights"] == "finetuned")
    generate(run, run.path / "one", made_of, store, request([main["prompt"]], [main["seed"]]))
    alone = run.path / "one" / f"finetuned_{main['seed']}.png"
    assert alone.read_bytes() == (folder / main["file"]).read_bytes()


def test_weights_that_have_no_strength_are_told_before_any_picture(
    new_run: Any, recipes: Any, store: Store, tiny: str
) -> None:
    from sdexp.ground.errors import ConfigError
    from tests.training import trainer_of

    words = (tiny, "finetune=unet", "optimizer.lr=0.01", "training.validation_images_steps=null")
    run = new_run("whole", *words)
    trainer_of(run, recipes(*words), store).train()
    folder = run.path / "made"
    variants = (ORIGINAL, FINETUNED, Variant("strength 0.5", strength=0.5))
    with pytest.raises(ConfigError, match="strength 0.5: these weights are whole networks"):
        generate(run, folder, recipes(*words), store, request(["x"], [1], variants))
    assert not folder.exists()
