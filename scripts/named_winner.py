"""How often a sweep's page names a winner: `python scripts/named_winner.py [FOLDER [REPEATS]]`.

Makes one bank of pictures of the embedded original and one of a fine-tuned model, 200 prompts x 18
replicates each, looks at them once with the judge of KID, and draws sweeps of 8 runs from them, by
64 prompts x 2 replicates. A run that changes nothing is other noise of the original, one that is
better is the fine-tuned, one half as good has half of its prompts from it. What the page says is
what its own code says (`sdexp.pages.sweep`).
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from banks import pictures_of_both, train_shortly

from sdexp.engine.evaluate.asked import Asked
from sdexp.engine.evaluate.features import Features
from sdexp.engine.evaluate.pictures import real_pictures
from sdexp.engine.prompts import choose_prompts, evaluation_data
from sdexp.ground.records import RunRecord
from sdexp.ground.rows import PromptRow
from sdexp.ground.run import RunFolder
from sdexp.ground.score_records import MetricRecord, ScoresRecord
from sdexp.ground.store import Store
from sdexp.launch.compose import compose
from sdexp.metric.base import AbstractMetric
from sdexp.pages.run.facts import Facts, readable_log
from sdexp.pages.sweep.facts import JobFacts, Sweep
from sdexp.pages.sweep.leads import standing_of
from sdexp.pages.sweep.ranking import grouped
from sdexp.pages.sweep.winner import best_line
from sdexp.recipes import Recipes, build_recipes
from sdexp.stats.comparison import verdict
from sdexp.stats.distribution import compare_distributions

PROMPTS, REPLICATES, RUNS, SIZE = 200, 18, 8, 64
NAME = "kid"
CHOSEN = [
    f"metric=[{NAME}]", f"evaluation.num_prompts={PROMPTS}", f"dataset.num_test={PROMPTS}",
    f"evaluation.replicates={REPLICATES}", "tracker=none",
]  # fmt: skip
Bank = dict[str, np.ndarray]


def bank(folder: Path, recipes: Recipes) -> Bank:
    """Features [200, 18, d] of the original and the finetuned, and of real pictures [M, d]."""
    file = folder / "bank.npz"
    if not file.exists():
        np.savez(file, **_made(folder, recipes))
    return dict(np.load(file))


def _made(folder: Path, recipes: Recipes) -> Bank:
    store = Store(folder / "store")
    data = evaluation_data(RunFolder(folder / "run"), recipes)
    asked = Asked("", choose_prompts(data, PROMPTS), REPLICATES)
    judge = recipes.judging.backbones[recipes.judging.metrics[NAME].backbone]
    source = Features(judge.start("cpu"), store, "cpu")
    found = {"real": source.images(real_pictures(data, 64))}
    for side, shown in pictures_of_both(folder, recipes, asked, store).items():
        found[side] = source.images(shown).reshape(PROMPTS, REPLICATES, -1)
    return found


def job(
    number: int, metric: AbstractMetric, original: np.ndarray, own: np.ndarray, real: np.ndarray
) -> JobFacts:
    """A run of a sweep as its page reads it."""
    distance = metric.against(real)
    found = compare_distributions(original, own, distance, np.random.default_rng(number), 999)
    assert found.values is not None
    _, values = found.values
    record = MetricRecord(
        original=found.original, finetuned=found.finetuned, difference=found.difference,
        ci95=found.ci95, p=found.p, least_p=found.least_p,
        minimum_detectable_effect=found.minimum_detectable_effect, needed_prompts=None,
        effect_size=None, wins=None, smallest_effect=metric.matters,
        higher_is_better=metric.higher_is_better, unit=metric.unit, backbone=metric.backbone,
        backbone_sha256="", verdict=verdict(found, metric.higher_is_better, metric.matters),
        n=SIZE * 2, n_reference=len(real),
    )  # fmt: skip
    run = RunFolder(Path(str(number)))
    facts = Facts(
        record=RunRecord(), evaluation=None, config="", log=readable_log(run.log, []),
        scores=ScoresRecord(NAME, SIZE, PROMPTS, 2, None, None, None, {NAME: record}, None),
        rows=[], prompts=[PromptRow(str(k), "finetuned", {NAME: v}) for k, v in enumerate(values)],
        beside=[], faults=[],
    )  # fmt: skip
    given = {"setting": str(number)}
    return JobFacts(number, run, given, "finished", 0, None, facts, given, given)


def said(found: Bank, sides: list[float], metric: AbstractMetric, repeat: int) -> str:
    """What the page says of runs that have this share of their prompts from the finetuned."""
    rng = np.random.default_rng(repeat)
    prompts = rng.choice(PROMPTS, SIZE, replace=False)
    order = np.array([rng.permutation(REPLICATES) for _ in prompts])

    def drawn(side: str, place: int) -> np.ndarray:
        picked: np.ndarray = found[side][prompts[:, None], order[:, 2 * place : 2 * place + 2]]
        return picked

    original = drawn("original", RUNS)
    jobs = []
    for number, share in enumerate(sides):
        is_own = rng.permutation(SIZE) < share * SIZE
        pair = (drawn("finetuned", number), drawn("original", number))
        own = np.where(is_own[:, None, None], *pair)
        jobs.append(job(number, metric, original, own, found["real"]))
    sweep = Sweep(Path(), None, jobs, ["setting"], [], {})
    return best_line(sweep, standing_of(sweep, grouped(sweep)))


SWEEPS: dict[str, list[float]] = {
    "none does anything": [0.0] * RUNS,
    "one better, the others do nothing": [1.0, *[0.0] * (RUNS - 1)],
    "one better, the others half as good": [1.0, *[0.5] * (RUNS - 1)],
    "all equally good": [1.0] * RUNS,
}


def main(arguments: list[str]) -> None:
    folder = Path(arguments[0] if arguments else "outputs/named_winner")
    repeats = int(arguments[1]) if len(arguments) > 1 else 60
    train_shortly(folder)
    recipes = build_recipes(compose("train", CHOSEN).config)
    found = bank(folder, recipes)
    metric = recipes.judging.metrics[NAME]
    print("| sweep of 8 | the better one named | another named | none named |\n|---|---|---|---|")
    share: Callable[[int], str] = lambda count: f"{count} of {repeats}"  # noqa: E731
    for words, sides in SWEEPS.items():
        lines = [said(found, sides, metric, repeat) for repeat in range(repeats)]
        right = sum(line.endswith(": setting=0.") and line.startswith("Best") for line in lines)
        named = sum(line.startswith("Best") for line in lines)
        is_one = sides.count(max(sides)) == 1
        cells = (share(right) if is_one else "-", share(named - right * is_one))
        print(f"| {words} | {cells[0]} | {cells[1]} | {share(repeats - named)} |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
