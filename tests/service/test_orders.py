"""From requests to jobs: defaults, limits, and which weights are meant."""

from pathlib import Path
from typing import Any

import pytest

from sdexp.ground.applied import Applied
from sdexp.ground.sampling import OWN_NOISE
from sdexp.ground.serving import MakeGrid, Proved
from sdexp.service.asked import GridAsked, PicturesAsked
from sdexp.service.house import House
from sdexp.service.jobs import Job
from sdexp.service.orders import grid_job, pictures_job, served
from sdexp.service.refusals import Refusal
from tests.service.houses import house_of, run_of


@pytest.fixture
def house(tmp_path: Path) -> House:
    run_of(tmp_path, "one", "evaluation.num_inference_steps=7", "evaluation.negative_prompt=ugly")
    run_of(tmp_path, "two", "evaluation.num_inference_steps=9")
    return house_of(tmp_path, "max_images=3", "max_models=3", "max_prompt_chars=10")


def job_of(house: House, *models: str, **asked: Any) -> Job:
    whole = PicturesAsked(**{"prompt": "a cat", "models": list(models), **asked})
    return pictures_job(whole, house.catalogue, house.limits)


def original(house: House) -> str:
    return next(entry.id for entry in house.catalogue.entries if entry.kind == "original")


def test_what_is_left_out_is_as_in_the_first_runs_evaluation(house: House) -> None:
    job = job_of(house, original(house), "one", "two")
    recipe = job.recipe
    assert recipe["num_inference_steps"] == 7 and recipe["negative_prompt"] == "ugly"
    assert (recipe["width"], recipe["height"], recipe["num_images"]) == (64, 64, 1)
    assert recipe["noise"] is None and recipe["lora_scale"] == 1
    assert 0 <= recipe["seed"] < 2**32
    assert job_of(house, "two", "one").recipe["num_inference_steps"] == 9
    assert job_of(house, "one", guidance_scale=0, negative_prompt="").recipe["guidance_scale"] == 0
    assert job_of(house, "one", negative_prompt="").recipe["negative_prompt"] == ""
    again = job_of_recipe(house, recipe)
    assert again.recipe == recipe and again.order.shots == job.order.shots


def job_of_recipe(house: House, recipe: dict[str, Any]) -> Job:
    return pictures_job(PicturesAsked(**recipe), house.catalogue, house.limits)


def test_originals_come_first_and_each_seed_by_each_of_the_weights(house: House) -> None:
    job = job_of(house, "two", original(house), seed=3, num_images=2)
    assert job.ids == [original(house)] * 2 + ["two"] * 2
    assert [shot.seed for shot in job.order.shots] == [3, 4, 3, 4]
    assert {shot.noise for shot in job.order.shots} == {OWN_NOISE}
    # The original as that of the run that it stands beside.
    assert {Path(shot.weights.run).name for shot in job.order.shots} == {"two"}
    noise = {"prompt_id": "0123456789ab", "replicate": 1}
    shots = job_of(house, "one", noise=noise).order.shots
    assert shots[0].noise == ("0123456789ab", 1)


@pytest.mark.parametrize(
    "asked, status, told",
    [
        ({"models": ["nowhere"]}, 404, "no such weights"),
        ({"models": ["../one"]}, 404, "no such weights"),
        ({"prompt": "x" * 11}, 422, "prompt: 11 characters"),
        ({"negative_prompt": "x" * 11}, 422, "negative_prompt: 11 characters"),
        ({"num_images": 4}, 422, "num_images=4: allowed are at most 3"),
        ({"num_inference_steps": 101}, 422, "num_inference_steps=101"),
        ({"guidance_scale": 31}, 422, "guidance_scale=31"),
        ({"width": 520}, 422, "width=520"),
        ({"height": 520}, 422, "height=520"),
        ({"models": ["one", "two", "one@1", "x"]}, 422, "models=4"),
        ({"seed": 2**53 - 1, "num_images": 2}, 422, "seed of the last picture"),
    ],
)
def test_limits_are_kept(house: House, asked: dict[str, Any], status: int, told: str) -> None:
    with pytest.raises(Refusal) as caught:
        job_of_recipe(house, {"prompt": "a cat", "models": ["one"], **asked})
    assert caught.value.status == status and told in caught.value.detail


def test_weights_that_are_refused_are_refused_with_the_reason(house: House) -> None:
    entry = house.catalogue.entry("one")
    assert entry is not None
    reason = f"{entry.weights.run}/weights: no tensor was applied"
    house.catalogue.note(Proved(entry.weights, None, False, reason))
    with pytest.raises(Refusal, match="^one: one/weights: no tensor was applied") as caught:
        job_of(house, "one")
    assert caught.value.status == 409


def test_a_strength_is_for_adapters(house: House) -> None:
    entries = {name: house.catalogue.entry(name) for name in ("one", "two")}
    for name, entry in entries.items():
        assert entry is not None
        house.catalogue.note(Proved(entry.weights, Applied(1, 1), name == "one", None))
    job = job_of(house, original(house), "two", "one", lora_scale=0.5)
    assert [shot.strength for shot in job.order.shots] == [1.0, 1.0, 0.5]
    with pytest.raises(Refusal, match="none of these are adapters"):
        job_of(house, "two", lora_scale=0.5)
    assert job_of(house, "two", lora_scale=1).recipe["lora_scale"] == 1


def test_a_grid_is_one_sheet_by_each(house: House) -> None:
    asked = GridAsked(prompt="a cat", models=["one", original(house)], size=4)
    job = grid_job(asked, house.catalogue, house.limits)
    assert isinstance(job.order, MakeGrid) and job.order.size == 4 and job.kind == "grid"
    assert job.ids == [original(house), "one"] and job.recipe["size"] == 4
    again = GridAsked(**job.recipe)
    assert grid_job(again, house.catalogue, house.limits).recipe == job.recipe


def test_older_clients_mean_the_newest_run_that_can_be_served(house: House) -> None:
    newest = next(entry for entry in house.catalogue.entries if entry.kind == "run")
    assert served(house.catalogue, wants_original=False).id == newest.id == "two"
    assert served(house.catalogue, wants_original=True).id == original(house)
    for name in ("one", "two"):
        entry = house.catalogue.entry(name)
        assert entry is not None
        house.catalogue.note(Proved(entry.weights, None, False, "broken"))
    with pytest.raises(Refusal) as caught:
        served(house.catalogue, wants_original=False)
    assert caught.value.status == 503
