"""A second family, a continuous schedule, a judge that is no CLIP and a new metric: each is a class
and a YAML file outside the package, and goes through every door.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from sdexp import evaluate, generate, train
from sdexp.engine.train.items import Item
from sdexp.engine.train.setup import Setup, set_up
from sdexp.ground import plugins
from sdexp.ground.rows import read_rows
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.launch.compose import compose
from sdexp.launch.files import OWN
from sdexp.recipes import build_recipes
from tests.commands import digest, fault
from tests.conftest import FAST
from tests.families import Colours, Flow, FlowSchedule
from tests.training import trainer_of

FILES = {
    "model/flow.yaml": "_target_: tests.families.Flow\nseed: 3\n",
    "backbone/colours.yaml": "# @package backbone.colours\n_target_: tests.families.Colours\n"
    "grid: 4\n",
    "metric/colour_kid.yaml": "# @package metric.colour_kid\n_target_: sdexp.metric.kid.Kid\n"
    "backbone: colours\nsmallest_effect:\n  colours: 1.0\n",
    "metric/brightness.yaml": "# @package metric.brightness\n_target_: tests.families.Brightness\n"
    "backbone: colours\nsmallest_effect:\n  colours: 0.01\n",
}
CHOSEN = [
    "plugins=[tests.families]",
    "model=flow",
    "finetune=unet",
    "finetune.components=[transformer]",
    "backbone=[colours]",
    "metric=[colour_kid,brightness]",
    "optimizer.lr=0.01",
    "objective.snr_gamma=5.0",
]


@pytest.fixture(autouse=True)
def own(tmp_path: Path, empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """YAML files of a person's own; the classes are found by PYTHONPATH, in children too."""
    folder = tmp_path / "conf"
    for name, text in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setenv(plugins.VARIABLE, "")
    monkeypatch.setenv(OWN, str(folder))
    return folder


def small(*overrides: str) -> Any:
    plugins.trust(["tests.families"])
    words = [word for word in [*FAST, *CHOSEN, *overrides] if not word.startswith("plugins=")]
    return build_recipes(compose("train", words).config)


@pytest.mark.slow
def test_foreign_parts_go_through_every_door(
    own: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*FAST, *CHOSEN, f"--config-dir={own}", "run_dir=run"]
    assert train.main(words) == 0
    run = RunFolder(Path("run"))
    scores = json.loads(run.scores.read_text())
    assert scores["primary"] == "colour_kid"
    assert set(scores["metrics"]) == {"colour_kid", "brightness"}
    assert {m["backbone"] for m in scores["metrics"].values()} == {"colours of 4x4"}
    assert scores["applied"]["changed"] == scores["applied"]["applied"] > 20
    names = load_file(run.weights / "transformer" / "model.safetensors")
    assert all(name.startswith("inner.") for name in names)
    assert run.read_record().plugins == ["tests.families"]
    for row in read_rows(run.per_image):
        pixels = np.asarray(Image.open(run.path / row.path))
        assert row.scores["brightness"] == pytest.approx(pixels.mean() / 255, abs=1e-9)
    monkeypatch.setenv(plugins.VARIABLE, "")
    line = fault(capfd, 2, "run=run", "evaluation.seed=1", door=evaluate)
    assert "run=run: made with plugins=[tests.families]; add that to the command" in line
    assert evaluate.main(["run=run", "evaluation.seed=1", "plugins=[tests.families]"]) == 0
    assert generate.main(["run=run", "prompt=x", "plugins=[tests.families]"]) == 0
    assert (run.path / "evaluations").is_dir() and list(run.generated.glob("*/side_by_side.png"))


@pytest.mark.slow
def test_adapters_of_a_foreign_network_are_saved_and_proved(own: Path) -> None:
    words = [*FAST, *CHOSEN, "run_dir=run", "finetune=lora", "finetune.target_modules=[to_q,to_v]"]
    assert train.main([word for word in words if word != "finetune=unet"]) == 0
    run = RunFolder(Path("run"))
    names = load_file(run.weights / "pytorch_lora_weights.safetensors")
    assert names and all(name.startswith("transformer.") for name in names)
    assert json.loads(run.scores.read_text())["applied"]["applied"] == len(names)


def test_a_continuous_level_is_a_function_of_its_sample(new_run: Any, store: Store) -> None:
    setup = set_up(new_run("run"), small(), store)
    items = [setup.pictures[(epoch, index)] for epoch in range(3) for index in range(20)]
    levels = [level_of(setup, item) for item in items]
    assert all(level.dtype == torch.float32 and 0 < level < 1 for level in levels)
    assert len(set(map(float, levels))) == 60
    again = set_up(new_run("again"), small("training.train_batch_size=2"), store)
    assert [level_of(again, item) for item in items] == levels


def level_of(setup: Setup, item: Item) -> torch.Tensor:
    return setup.model.schedule.draw(setup.loss_of.stream("timestep", "train", item))


def test_the_loss_of_a_continuous_schedule_is_the_formula(new_run: Any, store: Store) -> None:
    setup = set_up(new_run("run"), small(), store)
    item = setup.pictures[(0, 5)]
    level = level_of(setup, item).view(1)
    noise = torch.randn((3, 8, 8), generator=setup.loss_of.stream("noise", "train", item))
    pixels = item.view.pixels[None].float() / 127.5 - 1
    latents = torch.nn.functional.interpolate(pixels, size=8, mode="area")
    time = level.view(1, 1, 1, 1)
    condition = setup.model.encode_prompts([item.caption], [item.view.framing])
    with torch.no_grad():
        said = setup.model.predict((1 - time) * latents + time * noise, level, condition)
        loss = setup.loss_of([item])
    snr = ((1 - level) / level) ** 2
    weight = snr.clamp(max=5.0) * level**2
    expected = (said - (noise - latents)).square().mean() * weight
    torch.testing.assert_close(loss, expected, rtol=1e-3, atol=1e-4)


def test_size_and_crop_of_a_sample_reach_the_text_side(new_run: Any, store: Store) -> None:
    setup = set_up(new_run("run"), small("training.resolution=32"), store)
    framing = setup.pictures[(0, 0)].view.framing
    assert framing.original_size == (64, 64) and framing.target_size == (32, 32)
    condition = setup.model.encode_prompts(["a"], [framing])
    assert condition.sizes is not None and condition.sizes.tolist() == [[64, 64, 0, 0, 32, 32]]
    assert condition.pooled is not None and condition.pooled.shape == (1, 8)


def test_a_foreign_family_resumes_to_the_same_bytes(new_run: Any, store: Store) -> None:
    overrides = ("training.max_train_steps=4", "training.checkpointing_steps=2")
    whole = new_run("whole")
    trainer_of(whole, small(*overrides), store).train()
    cut = new_run("cut")
    first = trainer_of(cut, small(*overrides), store)
    update = first.updater.update

    def stop_in_the_fourth(batches: Any) -> Any:
        if first.state.step == 3:
            raise KeyboardInterrupt
        return update(batches)

    first.updater.update = stop_in_the_fourth  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        first.train()
    trainer_of(cut, small(*overrides), store).train()
    assert digest(cut.weights) == digest(whole.weights)


def test_what_a_judge_does_not_give_is_told_before_the_run(
    capfd: pytest.CaptureFixture[str],
) -> None:
    words = [*FAST, *CHOSEN, "metric=[clip_score]", "metric.clip_score.backbone=colours"]
    words.remove("metric=[colour_kid,brightness]")
    line = fault(capfd, 2, *words)
    assert "metric.clip_score.backbone=colours: gives no texts; choose a backbone that does" in line


def test_doubles_keep_their_promises() -> None:
    assert Flow(3).load("cpu").fingerprints() == Flow(3).load("cpu").fingerprints()
    schedule = FlowSchedule()
    level = torch.tensor([0.5])
    assert float(schedule.snr(level)) == 1.0 and float(schedule.loss_scale(level)) == 4.0
    loaded = Colours(2).start("cpu")
    picture = np.zeros((1, 4, 4, 3), np.uint8)
    picture[0, :2, :2] = 255
    assert loaded.images(picture)[0].tolist() == [1.0] * 3 + [0.0] * 9
