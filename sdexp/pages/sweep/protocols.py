"""Runs that were scored in the same way: only these may be ranked against each other."""

from dataclasses import dataclass, replace
from functools import cached_property
from string import ascii_uppercase

from sdexp.pages.sweep.facts import JobFacts, Sweep
from sdexp.pages.sweep.leads import Standing, standing_of
from sdexp.pages.sweep.origin import manifest_of
from sdexp.pages.sweep.ranking import grouped
from sdexp.pages.sweep.winner import best_line, doubts, numbers_line

SPLIT = "evaluation.split"
KEYS = (SPLIT, "evaluation.prompts", "evaluation.seed", "pictures.reference")


@dataclass(frozen=True)
class Protocol:
    """Some of the runs, under a letter; words: how they were scored."""

    letter: str
    words: str
    runs: Sweep

    @cached_property
    def _standing(self) -> Standing | None:
        return standing_of(self.runs, grouped(self.runs))

    @property
    def sentence(self) -> str:
        return best_line(self.runs, self._standing)

    @property
    def numbers(self) -> str:
        return numbers_line(self._standing)

    @property
    def doubts(self) -> list[str]:
        return doubts(self._standing)

    @property
    def jobs(self) -> list[int]:
        return [job.number for job in self.runs.jobs]


def protocols(sweep: Sweep) -> list[Protocol]:
    """All ways in which runs were scored, that of most runs first.

    A run without a score by the metric that ranks has none.
    """
    found: dict[tuple[object, ...], list[JobFacts]] = {}
    for job in sweep.counted:
        if sweep.primary in job.metrics:
            found.setdefault(_way(job, sweep.primary), []).append(job)
    ways = sorted(found.values(), key=lambda jobs: -len(jobs))
    return [
        Protocol(_letter(place), _words(jobs[0]), _only(sweep, jobs))
        for place, jobs in enumerate(ways)
    ]


def _way(job: JobFacts, metric: str) -> tuple[object, ...]:
    """Data and protocol of an evaluation, and the judge under the metric."""
    scores = job.scores
    assert scores is not None
    settings = tuple(job.leaves[key] if key in job.leaves else None for key in KEYS)
    sizes = (scores.sampling, scores.fitted, scores.n_prompts, scores.replicates)
    return _data(job), *settings, *sizes, job.metrics[metric].backbone_sha256


def _data(job: JobFacts) -> str | None:
    """What stands for the pictures that were scored; None for given ones."""
    return manifest_of(job, job.leaves[SPLIT]) if SPLIT in job.leaves else None


def _letter(place: int) -> str:
    return ascii_uppercase[place] if place < len(ascii_uppercase) else f"Z{place}"


def _words(job: JobFacts) -> str:
    scores = job.scores
    assert scores is not None
    split = job.leaves[SPLIT] if SPLIT in job.leaves else "given"
    made = ""
    if scores.sampling is not None:
        made = (
            f", {scores.sampling.sampler} in {scores.sampling.num_inference_steps} steps, guidance "
            f"{scores.sampling.guidance_scale}, {scores.sampling.size} pixels"
        )
    data = _data(job)
    told = f" ({data[:8]})" if data else ""
    return f"{split} pictures{told}, {scores.n_prompts} prompts x {scores.replicates}{made}"


def _only(sweep: Sweep, jobs: list[JobFacts]) -> Sweep:
    """These runs alone, with the columns that set them apart."""

    def differing(columns: list[str]) -> list[str]:
        shown = {c: {job.given.get(c) or job.counted.get(c) for job in jobs} for c in columns}
        return [column for column in columns if len(shown[column]) > 1]

    return replace(
        sweep, jobs=jobs, columns=differing(sweep.columns), implied=differing(sweep.implied)
    )
