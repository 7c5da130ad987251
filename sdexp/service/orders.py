"""From what a client asks to a job: every default filled in, every limit kept."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sdexp.ground.sampling import OWN_NOISE, Sampling
from sdexp.ground.serving import MakeGrid, MakePictures, Shot
from sdexp.service.asked import AbstractPictures, GridAsked, NoiseOf, PicturesAsked
from sdexp.service.catalogue import Catalogue, Entry
from sdexp.service.jobs import Job, new_id
from sdexp.service.limits import MAX_GRID_SIZE, MAX_SEED, Limits
from sdexp.service.refusals import Refusal

# Seeds that a person can still read.
DRAWN_SEEDS = 2**32
# Pixels of a cell in a sheet, as `sdexp.generate` makes them.
CELL = 140


@dataclass(frozen=True)
class Filled:
    """A request with its weights found and its settings filled in."""

    entries: list[Entry]
    sampling: Sampling
    seed: int
    strength: float


def pictures_job(asked: PicturesAsked, catalogue: Catalogue, limits: Limits) -> Job:
    """Pictures by each of the weights, of this seed and the next ones; raises `Refusal`."""
    count = asked.num_images or 1
    _at_most("num_images", count, limits.max_images)
    filled = _filled(asked, catalogue, limits, asked.width, asked.height)
    noise = OWN_NOISE
    if asked.noise is not None:
        noise = (asked.noise.prompt_id, asked.noise.replicate)
    seeds = range(filled.seed, filled.seed + count)
    _at_most("seed of the last picture", seeds[-1], MAX_SEED)
    shots = [_shot(entry, asked, filled, seed, noise) for entry in filled.entries for seed in seeds]
    recipe = _recipe(asked, filled) | {
        "width": filled.sampling.width,
        "height": filled.sampling.height,
        "num_images": count,
        "noise": _told(asked.noise),
    }
    ids = [entry.id for entry in filled.entries for _ in seeds]
    return Job("pictures", recipe, ids, MakePictures(new_id(), shots))


def grid_job(asked: GridAsked, catalogue: Catalogue, limits: Limits) -> Job:
    """A sheet by each of the weights; raises `Refusal`."""
    filled = _filled(asked, catalogue, limits, None, None)
    shots = [_shot(entry, asked, filled, filled.seed, OWN_NOISE) for entry in filled.entries]
    size = asked.size or MAX_GRID_SIZE
    recipe = _recipe(asked, filled) | {"size": size}
    order = MakeGrid(new_id(), shots, size, CELL)
    return Job("grid", recipe, [entry.id for entry in filled.entries], order)


def served(catalogue: Catalogue, wants_original: bool) -> Entry:
    """What older clients mean by the fine-tuned model: the newest run that can be served.

    Raises `Refusal` where there is none.
    """
    runs = [e for e in catalogue.entries if e.kind == "run" and e.refused is None]
    if not runs:
        raise Refusal(503, "no finetuned model is there that can be served", retry_after=60)
    if not wants_original:
        return runs[0]
    original = catalogue.entry(runs[0].original)
    assert original is not None
    return original


def _filled(
    asked: AbstractPictures,
    catalogue: Catalogue,
    limits: Limits,
    width: int | None,
    height: int | None,
) -> Filled:
    _at_most("models", len(asked.models), limits.max_models)
    _check_lengths(asked, limits)
    entries = _with_their_originals([_entry(catalogue, name) for name in asked.models])
    first = next((entry for entry in entries if entry.kind != "original"), entries[0])
    own = first.defaults
    sampling = Sampling(
        sampler=own.sampler if asked.sampler is None else str(asked.sampler),
        num_inference_steps=asked.num_inference_steps or own.num_inference_steps,
        guidance_scale=_or(asked.guidance_scale, own.guidance_scale),
        negative_prompt=_or(asked.negative_prompt, own.negative_prompt),
        height=height or own.height,
        width=width or own.width,
    )
    _at_most("num_inference_steps", sampling.num_inference_steps, limits.max_inference_steps)
    _at_most("guidance_scale", sampling.guidance_scale, limits.max_guidance_scale)
    _at_most("width", sampling.width, limits.max_side)
    _at_most("height", sampling.height, limits.max_side)
    seed = secrets.randbelow(DRAWN_SEEDS) if asked.seed is None else asked.seed
    return Filled(entries, sampling, seed, _strength(asked, entries))


def _strength(asked: AbstractPictures, entries: Sequence[Entry]) -> float:
    """Raises `Refusal` for one that none of the weights has."""
    strength = 1.0 if asked.lora_scale is None else asked.lora_scale
    if strength != 1 and not any(_may_have_strength(entry) for entry in entries):
        raise Refusal(422, f"lora_scale={strength:g}: none of these are adapters; leave it out")
    return strength


def _may_have_strength(entry: Entry) -> bool:
    """Whether these are adapters, or nobody knows yet."""
    return entry.kind != "original" and (entry.proof is None or entry.proof.has_strength)


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _check_lengths(asked: AbstractPictures, limits: Limits) -> None:
    texts = {"prompt": asked.prompt, "negative_prompt": asked.negative_prompt or ""}
    for name, text in texts.items():
        if len(text) > limits.max_prompt_chars:
            raise Refusal(
                422, f"{name}: {len(text)} characters; allowed are {limits.max_prompt_chars}"
            )


def _entry(catalogue: Catalogue, name: str) -> Entry:
    entry = catalogue.entry(name)
    if entry is None:
        raise Refusal(404, "models: there are no such weights; GET /api/models names them")
    if entry.refused is not None:
        raise Refusal(409, f"{entry.id}: {entry.refused}")
    return entry


def _with_their_originals(entries: Sequence[Entry]) -> list[Entry]:
    """Originals first, each as that of a run that is asked for, whose evaluation may have it."""
    runs = {entry.original: entry.weights.run for entry in entries if entry.kind == "run"}
    originals = [
        replace(entry, weights=replace(entry.weights, run=runs.get(entry.id, entry.weights.run)))
        for entry in entries
        if entry.kind == "original"
    ]
    return originals + [entry for entry in entries if entry.kind != "original"]


def _shot(
    entry: Entry, asked: AbstractPictures, filled: Filled, seed: int, noise: tuple[str, int]
) -> Shot:
    # Weights without a strength may be asked for beside others that have one.
    strength = filled.strength if _may_have_strength(entry) else 1.0
    return Shot(entry.weights, strength, asked.prompt, seed, noise, filled.sampling)


def _recipe(asked: AbstractPictures, filled: Filled) -> dict[str, Any]:
    sampling = filled.sampling
    return {
        "prompt": asked.prompt,
        "models": [entry.id for entry in filled.entries],
        "negative_prompt": sampling.negative_prompt,
        "num_inference_steps": sampling.num_inference_steps,
        "guidance_scale": sampling.guidance_scale,
        "sampler": sampling.sampler,
        "seed": filled.seed,
        "lora_scale": filled.strength,
    }


def _told(noise: NoiseOf | None) -> dict[str, Any] | None:
    return None if noise is None else noise.model_dump()


def _at_most(name: str, value: float, highest: float) -> None:
    if value > highest:
        raise Refusal(422, f"{name}={value:g}: allowed are at most {highest:g}")
