"""Orders that are done in this process, with all that is reported of them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from sdexp.engine.generate.generation import generate
from sdexp.engine.images import read_png
from sdexp.engine.serve import jobs as module
from sdexp.engine.serve.channel import Cancelled
from sdexp.engine.serve.jobs import variant_of
from sdexp.engine.serve.residents import Prepared
from sdexp.engine.switching import tensors_of
from sdexp.ground.applied import Applied
from sdexp.ground.errors import ConfigError
from sdexp.ground.picture_requests import FINETUNED, ORIGINAL, Fillers, GridConfig, Variant
from sdexp.ground.serving import Made, PreviewShown, Progress, Proved, Weights
from sdexp.ground.store import Store
from sdexp.recipes import read_recipes
from tests.engine.generate.trained import request
from tests.engine.serve.trained import (
    SAMPLING,
    Desk,
    Runs,
    copied,
    lose_a_tensor,
    opened,
    pixels_sha256,
    runs_of,
    shot,
    weights,
    weights_file,
)


@pytest.fixture
def runs(tiny: str) -> Runs:
    return runs_of(tiny)


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


def test_each_picture_tells_of_every_step_and_what_it_is(desk: Desk, runs: Runs) -> None:
    original = shot(weights(runs.first, "original"))
    own = shot(weights(runs.first))
    made = desk.make(original, own)
    assert desk.all_of(Progress) == [
        Progress("job", k, 2, step, 2) for k in (0, 1) for step in (0, 1, 2)
    ]
    kinds = [type(report) for report in desk.heard.reports if not isinstance(report, PreviewShown)]
    assert kinds == [Progress, Progress, Progress, Made] * 2
    assert [one.picture for one in made] == [0, 1]
    assert all(one.sha256 == pixels_sha256(one) and not one.withheld for one in made)
    assert made[0].sha256 != made[1].sha256
    texts = [opened(one.png)[1] for one in made]
    assert all("a big red heart\nSteps: 2, Sampler: ddim" in one["parameters"] for one in texts)
    facts = [json.loads(one["sdexp"]) for one in texts]
    assert facts[0]["weights"] == "original" and "run" not in facts[0]
    assert facts[1]["weights"] == "finetuned" and facts[1]["run"] == "first"
    assert [one.from_store for one in made] == [False, False]
    again = desk.make(original, own)
    assert [one.from_store for one in again] == [True, True]
    assert [replace(one, from_store=False) for one in again] == made


def test_pictures_are_those_of_the_command(desk: Desk, runs: Runs, tmp_path: Path) -> None:
    folder = tmp_path / "made"
    recipes = read_recipes(runs.first.config)
    variants = (ORIGINAL, FINETUNED, Variant("strength 0.5", strength=0.5))
    asked = request(["a big red heart"], [3], variants)
    generate(runs.first, folder, recipes, Store(tmp_path / "other store"), asked)
    own = weights(runs.first)
    made = desk.make(shot(weights(runs.first, "original")), shot(own), shot(own, strength=0.5))
    for name, one in zip(("original", "finetuned", "strength-0.5"), made, strict=True):
        pixels, texts = opened(one.png)
        assert np.array_equal(pixels, read_png(folder / f"{name}_3.png"))
        assert json.loads(texts["sdexp"])["weights"] == name.replace("-", " ")


def test_drift_is_told_against_the_own_original_by_equal_noise(desk: Desk, runs: Runs) -> None:
    original = shot(weights(runs.first, "original"))
    wider = replace(SAMPLING, width=64)
    made = desk.make(
        shot(weights(runs.second)),
        original,
        shot(weights(runs.second)),
        shot(weights(runs.other)),
        shot(weights(runs.second), seed=4),
        shot(weights(runs.second), noise=("0123456789ab", 0)),
        shot(weights(runs.second), prompt="a small blue star"),
        shot(weights(runs.second), sampling=wider),
        shot(weights(runs.other, "original")),
        shot(weights(runs.other)),
    )
    assert [one.differs for one in made] == [None, None, True, *[None] * 6, True]
    assert [one.drift is not None for one in made] == [one.differs is not None for one in made]
    assert all(one.drift_judge == ("alexnet" if one.differs else None) for one in made)
    drifts = [one.drift for one in made if one.drift is not None]
    assert drifts[0] > 0 and drifts[1] > 0 and drifts[0] != drifts[1]
    assert all(one.scorer == "pocket-clip" and one.clip_score is not None for one in made)
    # Another job does not know what the original made in this one.
    assert desk.make(shot(weights(runs.second)))[0].differs is None


def test_no_strength_is_the_original(desk: Desk, runs: Runs) -> None:
    original, still, own = desk.make(
        shot(weights(runs.first, "original")),
        shot(weights(runs.first), strength=0.0),
        shot(weights(runs.first)),
    )
    assert still.sha256 == original.sha256 != own.sha256
    assert still.differs is False and still.drift == pytest.approx(0, abs=1e-9)
    assert opened(still.png)[0].tobytes() == opened(original.png)[0].tobytes()
    assert opened(still.png)[1] == opened(original.png)[1]


def test_whole_networks_have_no_strength(desk: Desk, runs: Runs) -> None:
    whole = weights(runs.whole)
    (made,) = desk.make(shot(whole))
    with pytest.raises(ConfigError, match="strength 0.5: these weights are whole networks"):
        desk.make(shot(whole, strength=0.5))
    assert desk.make(shot(whole))[0].sha256 == made.sha256


def test_nothing_of_a_run_is_left_in_the_pictures_of_another(
    desk: Desk, runs: Runs, tmp_path: Path
) -> None:
    model = desk.residents.prepare(weights(runs.first, "original")).model
    prints = model.fingerprints()
    kinds = [weights(runs.first, "original"), weights(runs.first), weights(runs.second)]
    first = {of: desk.make(shot(of))[0].sha256 for of in kinds}
    assert len(set(first.values())) == 3 and model.fingerprints() == prints
    for of in reversed(kinds):
        (alone,) = Desk(Store(tmp_path / f"{Path(of.run).name} {of.kind}")).make(shot(of))
        assert alone.sha256 == first[of] and not alone.from_store


def test_shots_of_equal_weights_share_what_is_put_in(
    desk: Desk, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    put: list[float] = []
    work = Prepared.put_in

    @contextmanager
    def counted(self: Prepared, strength: float) -> Iterator[None]:
        put.append(strength)
        with work(self, strength):
            yield

    monkeypatch.setattr(Prepared, "put_in", counted)
    own = weights(runs.first)
    shots = [shot(own, seed=seed, strength=s) for s in (1.0, 0.5) for seed in (1, 2, 3)]
    made = desk.make(*shots, shot(own, seed=1))
    assert put == [1.0, 0.5, 1.0]
    assert [one.picture for one in made] == list(range(7))
    assert made[0].sha256 == made[6].sha256 and made[6].from_store
    assert len({one.sha256 for one in made}) == 6


def test_a_grid_is_that_of_the_command(desk: Desk, runs: Runs, tmp_path: Path) -> None:
    grid = GridConfig("a big red heart", Fillers.prompts, 2, 32)
    recipes = read_recipes(runs.first.config)
    folder = tmp_path / "grid"
    asked = request(["a big red heart"], [3], grid=grid)
    generate(runs.first, folder, recipes, Store(tmp_path / "other store"), asked)
    shots = [shot(weights(runs.first, "original")), shot(weights(runs.first))]
    made = desk.make_grid(shots, grid.size, grid.cell)
    progress = desk.all_of(Progress)
    assert [one.picture for one in progress if one.step == 0] == list(range(8))
    assert {one.pictures for one in progress} == {8}
    for name, one in zip(("original", "finetuned"), made, strict=True):
        pixels, texts = opened(one.png)
        assert np.array_equal(pixels, read_png(folder / f"grid_{name}.png"))
        facts = json.loads(texts["sdexp"])
        assert facts == {"main": "a big red heart", "seed": 3, "weights": name}
        assert one.sha256 == pixels_sha256(one) and not one.from_store
        assert (one.clip_score, one.drift, one.differs) == (None, None, None)
    again = desk.make_grid(shots, grid.size, grid.cell)
    assert all(one.from_store for one in again)
    assert [replace(one, from_store=False) for one in again] == made


def test_who_leaves_in_the_midst_of_a_picture_leaves_the_original(desk: Desk, runs: Runs) -> None:
    model = desk.residents.prepare(weights(runs.first, "original")).model
    prints = model.fingerprints()
    before = {n: {k: t.clone() for k, t in own.items()} for n, own in tensors_of(model).items()}
    asked = shot(weights(runs.first), sampling=replace(SAMPLING, num_inference_steps=9))
    desk.heard.cancel_at(4)
    with pytest.raises(Cancelled):
        desk.make(asked)
    assert [one.step for one in desk.all_of(Progress)] == [0, 1, 2, 3]
    for name, own in tensors_of(model).items():
        assert all(tensor.equal(before[name][key]) for key, tensor in own.items())
    assert model.fingerprints() == prints
    # Nothing half made was kept.
    desk.heard.cancel_at(None)
    desk.heard.close_job("job")
    assert not desk.make(asked)[0].from_store


def test_previews_come_between_the_steps(
    desk: Desk, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PREVIEW_SECONDS", -1.0)
    steps = replace(SAMPLING, num_inference_steps=4, width=64)
    desk.make(shot(weights(runs.first), sampling=steps))
    shown = desk.all_of(PreviewShown)
    # Not after the last step, when the picture itself is as good as there.
    assert len(shown) == 3 and {one.picture for one in shown} == {0}
    model = read_recipes(runs.first.config).model.load("cpu")
    size = (*model.latent_shape(32, 64)[1:], 3)
    assert {opened(one.png)[0].shape for one in shown} == {size}
    monkeypatch.setattr(module, "PREVIEW_SECONDS", 1e9)
    desk.make(shot(weights(runs.first), seed=8, sampling=steps))
    assert desk.all_of(PreviewShown) == []


def test_a_picture_that_must_not_be_shown_is_black_and_not_judged(
    desk: Desk, store: Store, runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    shots = [shot(weights(runs.first, "original")), shot(weights(runs.first))]
    shown = desk.make(*shots)
    bright = max(opened(one.png)[0].mean() for one in shown)

    # In the place of a checker, whose answers the tests of its own compare.
    def finds(picture: np.ndarray) -> bool:
        return bool(picture.mean() == bright)

    checked = Desk(store, finds).make(*shots)
    assert sorted(one.withheld for one in checked) == [False, True]
    for before, after in zip(shown, checked, strict=True):
        assert after.clip_score == (None if after.withheld else before.clip_score)
        # Nothing is told of how far a picture lies from one that is not shown.
        assert after.drift is None and after.differs is None
        assert after.sha256 == pixels_sha256(after)
        assert opened(after.png)[0].any() != after.withheld
        assert (after.sha256 == before.sha256) != after.withheld
    # Neither do previews or grids show it.
    monkeypatch.setattr(module, "PREVIEW_SECONDS", -1.0)
    strict = Desk(Store(store.root / "other"), lambda picture: True)
    strict.make(*shots)
    assert strict.all_of(PreviewShown) == []
    (plain,) = desk.make_grid(shots[1:], 2, 32)
    (sheet,) = strict.make_grid(shots[1:], 2, 32)
    assert sheet.withheld and not plain.withheld
    colours = {tuple(colour) for colour in opened(sheet.png)[0].reshape(-1, 3).tolist()}
    assert colours == {(0, 0, 0), (255, 255, 255)}


def test_proofs_say_what_was_applied_or_why_not(desk: Desk, runs: Runs, tmp_path: Path) -> None:
    bad = copied(runs.second, tmp_path / "bad")
    lose_a_tensor(weights_file(bad))
    of = weights(runs.first, "original")
    assert desk.prove(of) == Proved(of, None, False, None)
    adapters = desk.prove(weights(runs.first))
    whole = desk.prove(weights(runs.whole))
    for told, run in ((adapters, runs.first), (whole, runs.whole)):
        count = len(load_file(weights_file(run)))
        assert told.refused is None and told.applied == Applied(count, count)
    assert adapters.has_strength and not whole.has_strength
    refused = desk.prove(weights(bad))
    assert refused.applied is None and not refused.has_strength
    assert refused.refused is not None and "tensors missing" in refused.refused


RUN = "/runs/one"
NAMES: list[tuple[Weights, float, Variant]] = [
    (Weights(RUN, "original"), 1.0, ORIGINAL),
    (Weights(RUN, "run"), 0.0, ORIGINAL),
    (Weights(RUN, "checkpoint", "000400"), 0.0, ORIGINAL),
    (Weights(RUN, "run"), 1.0, FINETUNED),
    (Weights(RUN, "run"), 0.5, Variant("strength 0.5", None, 0.5)),
    (Weights(RUN, "run"), 2.0, Variant("strength 2", None, 2.0)),
    (Weights(RUN, "checkpoint", "000400"), 1.0, Variant("step 400", 400)),
    (Weights(RUN, "checkpoint", "000400"), 1.5, Variant("step 400, strength 1.5", 400, 1.5)),
    (Weights(RUN, "export", "kohya"), 1.0, Variant("export kohya")),
    (Weights(RUN, "export", "kohya"), 0.25, Variant("export kohya, strength 0.25", None, 0.25)),
]


@pytest.mark.parametrize(("of", "strength", "expected"), NAMES, ids=lambda value: str(value)[-30:])
def test_variants_are_named_as_the_command_names_them(
    of: Weights, strength: float, expected: Variant
) -> None:
    assert variant_of(shot(of, strength=strength)) == expected
