"""What a finetuned model forgot, what it learned by heart only, and whether it copies."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sdexp.dataset.base import OpenDataset
from sdexp.engine.evaluate.asked import GENERAL, TRAIN
from sdexp.engine.evaluate.features import Features
from sdexp.engine.evaluate.scorer import Pictures, Score, Scorer
from sdexp.engine.images import save_png
from sdexp.ground.progress import say
from sdexp.ground.run import MODELS, EvaluationFolder
from sdexp.ground.score_records import (
    CopyingRecord,
    DriftRecord,
    GapRecord,
    GuardsRecord,
    MetricRecord,
    ShareRecord,
    SuspectRecord,
)
from sdexp.ground.streams import array_stream
from sdexp.metric.base import AbstractMetric
from sdexp.metric.judging import Judging
from sdexp.stats.comparison import SIGNIFICANCE, wilson
from sdexp.stats.copying import Neighbours, nearer_to_training, nearest, threshold
from sdexp.stats.groups import compare_groups
from sdexp.stats.scores import cosines

# With fewer prompts, or real pictures on a side, nothing is said of copies.
LEAST_PICTURES = 10
# Pairs that are kept to be looked at.
SHOWN = 12


@dataclass(frozen=True)
class Guards:
    """The pictures of the guards beside those of held-out prompts.

    asked: by name of the guard; opened: the data that prompts come from, by the same names, and ""
    for the held-out ones.
    """

    folder: EvaluationFolder
    judging: Judging
    held_out: Pictures
    asked: dict[str, Pictures]
    opened: dict[str, OpenDataset]

    def score(self, scorer: Scorer, scores: dict[str, Score]) -> GuardsRecord:
        """Ask everything; `scores` are those of the held-out prompts."""
        general, drift = self._general(scorer) if GENERAL in self.asked else ({}, {})
        overfit = self._overfit(scorer, scores) if TRAIN in self.asked else {}
        copying = self._copying(scorer) if TRAIN in self.asked else None
        return GuardsRecord(general, drift, overfit, copying)

    def _general(self, scorer: Scorer) -> tuple[dict[str, MetricRecord], dict[str, DriftRecord]]:
        """By prompts about anything else: both models, and how far they are apart."""
        scored = {}
        drift = {}
        for name, metric in self.judging.metrics.items():
            at_work = scorer.at_work(name, metric, self.asked[GENERAL])
            if metric.partner == "caption":
                scored[name] = at_work.compared({m: at_work.features(m) for m in MODELS})
                _say_general(name, scored[name])
            if metric.tells_drift:
                drift[name] = at_work.drift()
        return scored, drift

    def _overfit(self, scorer: Scorer, scores: dict[str, Score]) -> dict[str, GapRecord]:
        paired = {n: m for n, m in self.judging.metrics.items() if m.makes_numbers}
        return {name: self._gap(scorer, name, paired[name], scores[name]) for name in paired}

    def _gap(self, scorer: Scorer, name: str, metric: AbstractMetric, score: Score) -> GapRecord:
        at_work = scorer.at_work(name, metric, self.asked[TRAIN])
        sign = 1 if metric.higher_is_better else -1
        trained = {m: sign * at_work.features(m)[:, :, 0].mean(axis=1) for m in MODELS}
        held_out = {m: sign * score.features[m][:, :, 0].mean(axis=1) for m in MODELS}
        original, finetuned = (float(trained[m].mean() - held_out[m].mean()) for m in MODELS)
        gains = [of["finetuned"] - of["original"] for of in (trained, held_out)]
        found = compare_groups(*gains)
        return GapRecord(
            original,
            finetuned,
            difference=found.difference,
            ci95=found.ci95,
            p=found.p,
            smallest_effect=metric.matters,
            backbone=score.record.backbone,
            n_train=len(gains[0]),
            n_held_out=len(gains[1]),
        )

    def _copying(self, scorer: Scorer) -> CopyingRecord | None:
        """None where nothing looks at single pictures, or too few are there to tell."""
        prompts = min(len(self.held_out.prompts), len(self.asked[TRAIN].prompts))
        looking = [m.backbone for m in self.judging.metrics.values() if "images" in m.needs]
        trained = self._training_places()
        others = self._other_places()
        if not looking or min(prompts, len(trained), len(others)) < LEAST_PICTURES:
            return None
        source = scorer.source(looking[0])
        return Copies(self, source, trained, others).record()

    def _training_places(self) -> list[int]:
        """Pictures that copies are looked for in: those of the prompts, and others at random."""
        own = [prompt.index for prompt in self.asked[TRAIN].prompts]
        train = self.opened[TRAIN]
        rng = array_stream(self.judging.evaluation.seed, "training pictures")
        drawn = rng.permutation(len(train)).tolist()
        return _each_once([*own, *drawn], train)[: self._most(own)]

    def _most(self, own: list[int]) -> int:
        return max(len(own), self.judging.evaluation.num_train_pictures)

    def _other_places(self) -> list[int]:
        """Held-out pictures that no prompt is about."""
        data = self.opened[""]
        asked = {data.picture_id(prompt.index) for prompt in self.held_out.prompts}
        every = _each_once(range(len(data)), data)
        return [place for place in every if data.picture_id(place) not in asked]


def _each_once(places: Iterable[int], data: OpenDataset) -> list[int]:
    """The first place of each picture, which several captions may share."""
    first: dict[str, int] = {}
    for place in places:
        first.setdefault(data.picture_id(place), place)
    return list(first.values())


@dataclass(frozen=True)
class Copies:
    """The search for copies, in the space of one backbone.

    trained, others: places of training pictures, and of held-out ones that no prompt is about.
    """

    guards: Guards
    source: Features
    trained: list[int]
    others: list[int]

    def record(self) -> CopyingRecord:
        guards = self.guards
        prompts = guards.asked[TRAIN].prompts
        train = self.source.images(guards.asked[TRAIN].references.at(self.trained))
        every = self.source.images(guards.held_out.references)
        held_out = every[self.others]
        made = self.source.images(guards.held_out.made["finetuned"].shown)
        near = nearest(made, train)
        bound, chance = threshold(nearest(held_out, train).cosines)
        too_near = near.cosines > bound
        # The first training pictures are those of the prompts, in their order.
        trained = self._to_their_own(guards.asked[TRAIN], train[: len(prompts)])
        places = [prompt.index for prompt in guards.held_out.prompts]
        others = self._to_their_own(guards.held_out, every[places])
        own = trained["finetuned"][:, 0]
        own_bound, train_chance = threshold(others["finetuned"].ravel())
        too_alike = own > own_bound
        config = guards.judging.evaluation
        rng = array_stream(config.seed, "copying")
        p = nearer_to_training(made, train, held_out, rng, config.num_permutations)
        near_prompts = np.any(too_near.reshape(len(guards.held_out.prompts), -1), axis=1)
        near_by_caption = Neighbours(np.arange(len(prompts)), own)
        pairs = self._pairs(guards.held_out, "", near, too_near)
        pairs += self._pairs(guards.asked[TRAIN], f"{TRAIN}/", near_by_caption, too_alike)
        found = CopyingRecord(
            share=_share(near_prompts),
            train_share=_share(too_alike),
            chance=1 - (1 - chance) ** guards.held_out.replicates,
            train_chance=train_chance,
            p=p,
            train_p=_nearer(trained, others),
            n_train_pictures=len(train),
            n_held_out_pictures=len(held_out),
            backbone=self.source.backbone.name,
            backbone_sha256=self.source.backbone.sha256,
            nearest=self._shown(pairs),
        )
        _say_copying(found)
        return found

    def _shown(self, pairs: list[tuple[SuspectRecord, int]]) -> list[SuspectRecord]:
        """Pairs that are too near, then the nearest others, with files of the training pictures."""

        def order(pair: tuple[SuspectRecord, int]) -> tuple[bool, float, str]:
            return not pair[0].too_near, -pair[0].cosine, pair[0].path

        pairs = sorted(pairs, key=order)[:SHOWN]
        for suspect, place in pairs:
            picture = self.guards.asked[TRAIN].references.read(place)
            save_png(picture, self.guards.folder.path / suspect.training_path)
        return [suspect for suspect, _ in pairs]

    def _to_their_own(self, pictures: Pictures, own: np.ndarray) -> dict[str, np.ndarray]:
        """How near the pictures of prompts are to their own real ones, [P, R] by model."""
        repeated = own.repeat(pictures.replicates, axis=0)
        return {
            model: cosines(self.source.images(made.shown), repeated).reshape(len(own), -1)
            for model, made in pictures.made.items()
        }

    def _pairs(
        self, pictures: Pictures, below: str, near: Neighbours, too_near: np.ndarray
    ) -> list[tuple[SuspectRecord, int]]:
        """Each picture with its training picture, and the place of that."""
        found = []
        replicates = pictures.replicates
        for k, prompt in enumerate(p for p in pictures.prompts for _ in range(replicates)):
            place = self.trained[near.places[k]]
            suspect = SuspectRecord(
                path=f"images/{below}finetuned/{prompt.prompt_id}_{k % replicates}.png",
                caption=prompt.caption,
                training_path=f"images/{TRAIN}/reference/{place}.png",
                training_picture=self.guards.opened[TRAIN].picture_id(place),
                cosine=float(near.cosines[k]),
                too_near=bool(too_near[k]),
            )
            found.append((suspect, place))
        return found


def _nearer(trained: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> float:
    """p of training captions giving pictures nearer to their own, because they were trained on.

    Where the original's already are, only what training added counts.
    """
    before = _one_sided(trained["original"], others["original"])
    if before >= SIGNIFICANCE:
        return _one_sided(trained["finetuned"], others["finetuned"])
    gains = [of["finetuned"] - of["original"] for of in (trained, others)]
    return _one_sided(*gains)


def _one_sided(trained: np.ndarray, others: np.ndarray) -> float:
    """p of the first being larger, each [P, R]; 1 where they are not."""
    gap = compare_groups(trained.mean(axis=1), others.mean(axis=1))
    assert gap.p is not None
    return gap.p if gap.difference > 0 else 1.0


def _share(which: np.ndarray) -> ShareRecord:
    rate = float(which.mean())
    return ShareRecord(rate, wilson(rate, len(which)))


def _say_general(name: str, record: MetricRecord) -> None:
    say(
        f"{name} of general prompts: {record.original:.3f} -> {record.finetuned:.3f} "
        f"({record.difference:+.3f}, p = {record.p:.4f})"
    )


def _say_copying(found: CopyingRecord) -> None:
    say(
        f"copies: {found.share.value:.0%} of held-out prompts and {found.train_share.value:.0%} of "
        f"training captions gave a picture nearer to a training picture than 99 % of real ones "
        f"are (p = {found.p:.4f} and {found.train_p:.4f})"
    )
