"""What the process that owns the models does: proofs, pictures one after the other, grids."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
from torch import Tensor

from sdexp.engine.generate.fillers import Pool
from sdexp.engine.generate.generation import texts_of
from sdexp.engine.generate.grid import plan, sheet_texts
from sdexp.engine.generate.layout import Wanted
from sdexp.engine.generate.making import FoundPicture, PictureOf
from sdexp.engine.generate.mosaic import mosaic
from sdexp.engine.generate.templates import template_prompts
from sdexp.engine.images import png_bytes
from sdexp.engine.serve.channel import Channel
from sdexp.engine.serve.evaluated import EvaluatedPictures
from sdexp.engine.serve.judges import Judges, Told
from sdexp.engine.serve.preview import Preview
from sdexp.engine.serve.residents import Prepared, Residents
from sdexp.engine.serve.safety import SafetyChecker
from sdexp.ground.errors import SdexpError
from sdexp.ground.picture_requests import FINETUNED, ORIGINAL, Fillers, GridConfig, Variant
from sdexp.ground.run import RunFolder
from sdexp.ground.serving import (
    Made,
    MakeGrid,
    MakePictures,
    PreviewShown,
    Progress,
    Prove,
    Proved,
    Shot,
    as_text,
)
from sdexp.ground.store import Store
from sdexp.model.base import LoadedModel
from sdexp.recipes import Recipes

# Seconds between two previews of a picture.
PREVIEW_SECONDS = 0.25


@dataclass(frozen=True)
class Shown:
    """A picture as clients see it: uint8 [H, W, 3], black where it is withheld."""

    pixels: np.ndarray
    in_store: bool
    withheld: bool


@dataclass(frozen=True)
class Judged:
    """What is said of a picture; differs: whether it is another one than the original's."""

    clip_score: Told = None
    drift: Told = None
    differs: bool | None = None


class Jobs:
    """Does orders with the models in memory, and reports through the channel."""

    def __init__(
        self, channel: Channel, residents: Residents, store: Store, checker: SafetyChecker | None
    ) -> None:
        self._channel = channel
        self._residents = residents
        self._store = store
        self._checker = checker
        self._judges = Judges(store, residents.device)
        self._evaluated = EvaluatedPictures()
        self._previews: WeakKeyDictionary[LoadedModel, Preview] = WeakKeyDictionary()
        self._previewed = 0.0

    def prove(self, order: Prove) -> None:
        """Say whether weights can be served, or why not."""
        try:
            state = self._residents.prepare(order.weights).state
        except SdexpError as error:
            self._channel.send(Proved(order.weights, None, False, str(error)))
            return
        applied = None if state is None else state.applied
        has_strength = state is not None and state.has_strength
        self._channel.send(Proved(order.weights, applied, has_strength, None))

    def pictures(self, order: MakePictures) -> None:
        """Make and score pictures, each reported when it is there; raises `Cancelled`."""
        originals: dict[tuple[object, ...], np.ndarray] = {}
        self._channel.check(order.job)
        count = len(order.shots)
        for index, shot, prepared in self._prepared(order.shots):
            shown = self._picture(order.job, shot, prepared, index, count)
            key = (prepared.name, _wanted(shot), shot.sampling)
            original = None if shot.weights.kind == "original" else originals.get(key)
            judged = self._judged(prepared.recipes, shot, shown, original)
            if shot.weights.kind == "original" and not shown.withheld:
                originals[key] = shown.pixels
            run = RunFolder(Path(shot.weights.run))
            texts = texts_of(_wanted(shot), shot.sampling, variant_of(shot), run)
            self._send(order.job, index, shown, texts, judged)

    def grid(self, order: MakeGrid) -> None:
        """Make a sheet by each of the weights; raises `Cancelled`."""
        pool = Pool(template_prompts())
        for index, shot, prepared in self._prepared(order.shots):
            config = GridConfig(shot.prompt, Fillers.prompts, order.size, order.cell)
            cells = plan(config, pool, shot.seed)
            made = []
            for place, cell in enumerate(cells):
                assert cell.seed is not None
                one = replace(shot, prompt=cell.prompt, seed=cell.seed)
                at = index * len(cells) + place
                total = len(order.shots) * len(cells)
                made.append(self._picture(order.job, one, prepared, at, total))
            sheet = Shown(
                mosaic((one.pixels for one in made), order.size, order.cell),
                in_store=all(one.in_store for one in made),
                withheld=any(one.withheld for one in made),
            )
            texts = sheet_texts(config, variant_of(shot), shot.seed)
            self._send(order.job, index, sheet, texts, Judged())

    def _prepared(self, shots: list[Shot]) -> Iterator[tuple[int, Shot, Prepared]]:
        """Shots with their weights put in; those of the same weights in a row share that."""
        for (weights, strength), group in groupby(
            enumerate(shots), key=lambda numbered: (numbered[1].weights, numbered[1].strength)
        ):
            prepared = self._residents.prepare(weights)
            with prepared.put_in(strength):
                for index, shot in group:
                    yield index, shot, prepared

    def _picture(self, job: str, shot: Shot, prepared: Prepared, index: int, count: int) -> Shown:
        """Make a picture, or find it where it was made before."""
        steps = shot.sampling.num_inference_steps

        def watch(step: int, latents: Tensor) -> None:
            self._channel.check(job)
            self._channel.send(Progress(job, index, count, min(step, steps), steps))
            is_time = time.monotonic() - self._previewed > PREVIEW_SECONDS
            # A guess of what is to be withheld would show it.
            if step < steps and is_time and self._checker is None:
                self._show(job, index, prepared, latents)

        self._channel.check(job)
        self._channel.send(Progress(job, index, count, 0, steps))
        scored = self._evaluated.find(shot, prepared.recipes)
        if scored is not None:
            return self._checked(FoundPicture(scored, True))
        self._previewed = time.monotonic()
        found = PictureOf(prepared.model, self._store, shot.sampling)(_wanted(shot), watch)
        self._channel.check(job)
        return self._checked(found)

    def _checked(self, found: FoundPicture) -> Shown:
        """What may be shown of a picture."""
        withheld = self._checker is not None and self._checker(found.pixels)
        pixels = np.zeros_like(found.pixels) if withheld else found.pixels
        return Shown(pixels, found.in_store, withheld)

    def _show(self, job: str, index: int, prepared: Prepared, latents: Tensor) -> None:
        model = prepared.model
        if model not in self._previews:
            self._previews[model] = Preview(model)
        guess = self._previews[model](latents)
        self._channel.send(PreviewShown(job, index, as_text(png_bytes(guess))))
        self._previewed = time.monotonic()

    def _judged(
        self, recipes: Recipes, shot: Shot, shown: Shown, original: np.ndarray | None
    ) -> Judged:
        """original: what the original made of the same, where it has."""
        if shown.withheld:
            return Judged()
        score = self._judges.clip_score(recipes, shown.pixels, shot.prompt)
        if original is None:
            return Judged(score)
        drift = self._judges.drift(recipes, shown.pixels, original)
        return Judged(score, drift, not np.array_equal(shown.pixels, original))

    def _send(
        self, job: str, index: int, shown: Shown, texts: dict[str, str], judged: Judged
    ) -> None:
        score, scorer = judged.clip_score or (None, None)
        drift, judge = judged.drift or (None, None)
        self._channel.send(
            Made(
                job=job,
                picture=index,
                png=as_text(png_bytes(shown.pixels, texts)),
                sha256=hashlib.sha256(shown.pixels.tobytes()).hexdigest(),
                from_store=shown.in_store,
                withheld=shown.withheld,
                clip_score=score,
                scorer=scorer,
                drift=drift,
                drift_judge=judge,
                differs=judged.differs,
            )
        )


def variant_of(shot: Shot) -> Variant:
    """As `sdexp.generate` names the same weights."""
    weights = shot.weights
    if weights.kind == "original" or shot.strength == 0:
        return ORIGINAL
    step = int(weights.name) if weights.kind == "checkpoint" else None
    names = {"run": "", "checkpoint": f"step {step}", "export": f"export {weights.name}"}
    strength = "" if shot.strength == 1 else f"strength {shot.strength:g}"
    parts = [part for part in (names[weights.kind], strength) if part]
    return Variant(", ".join(parts), step, shot.strength) if parts else FINETUNED


def _wanted(shot: Shot) -> Wanted:
    return Wanted(shot.prompt, shot.seed, shot.noise)
