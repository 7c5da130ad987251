"""From pictures to what an evaluation leaves: scores, rows and warnings."""

from dataclasses import dataclass, field

from sdexp.engine.evaluate.scorer import Pictures, Score, Scorer
from sdexp.engine.evaluate.tables import per_image_rows, per_prompt_rows
from sdexp.ground.applied import Applied
from sdexp.ground.config import Control
from sdexp.ground.interrupt import interruptible
from sdexp.ground.progress import say
from sdexp.ground.record_files import write_record
from sdexp.ground.rows import write_prompt_rows, write_rows
from sdexp.ground.run import EvaluationFolder
from sdexp.ground.sampling import Sampling
from sdexp.ground.score_records import ControlsRecord, GuardsRecord, ScoresRecord
from sdexp.ground.store import Store
from sdexp.metric.judging import Judging


@dataclass(frozen=True)
class Made:
    """Where the pictures come from.

    sampling and applied: of those made here, and the proof that the weights were loaded; fitted:
    what was done to given ones. None where it does not apply. guards: what was asked beside them;
    warnings: what a person should know of the data.
    """

    sampling: Sampling | None = None
    applied: Applied | None = None
    fitted: str | None = None
    guards: GuardsRecord = GuardsRecord()
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Results:
    """The scores of pictures, metric by metric, and where they go."""

    folder: EvaluationFolder
    judging: Judging
    pictures: Pictures
    scores: dict[str, Score] = field(default_factory=dict)

    def score(self, store: Store, device: str) -> Scorer:
        """Score by every metric and tell each; gives what scored them, for more questions."""
        scorer = Scorer(self.judging, store, device)
        for name, metric in self.judging.metrics.items():
            with interruptible():
                self.scores[name] = scorer.score(name, metric, self.pictures)
            _say_score(name, self.scores[name])
        return scorer

    def write(self, made: Made) -> int:
        """Write the tables, then `scores.json`; the number of pictures."""
        rows = per_image_rows(self.pictures, self.scores)
        write_rows(self.folder.per_image, rows)
        write_prompt_rows(self.folder.per_prompt, per_prompt_rows(self.pictures, self.scores))
        write_record(self.folder.scores, self._record(made))
        return len(rows)

    def _record(self, made: Made) -> ScoresRecord:
        config = self.judging.evaluation
        scores = self.scores
        return ScoresRecord(
            primary=str(config.primary),
            n_prompts=len(self.pictures.prompts),
            n_split=self.pictures.references.count,
            replicates=self.pictures.replicates,
            control=None if config.control == Control.none else str(config.control),
            sampling=made.sampling,
            fitted=made.fitted,
            metrics={name: score.record for name, score in scores.items()},
            applied=made.applied,
            controls=ControlsRecord(
                real_vs_real={n: s.floor for n, s in scores.items() if s.floor},
                other_noise={n: s.noise for n, s in scores.items() if s.noise},
                shuffled_captions={
                    n: s.other_captions for n, s in scores.items() if s.other_captions
                },
                shuffled_references={
                    n: s.other_references for n, s in scores.items() if s.other_references
                },
            ),
            drift={name: score.drift for name, score in scores.items() if score.drift},
            guards=made.guards,
            warnings=self._warnings(made),
        )

    def _warnings(self, made: Made) -> list[str]:
        lines = [*made.warnings]
        asked = self.judging.evaluation.num_prompts
        got = len(self.pictures.prompts)
        of_split = made.sampling is not None and self.judging.evaluation.prompts is None
        if of_split and got < asked:
            lines.append(f"evaluation.num_prompts={asked}: the split holds only {got} pictures")
        real = self.pictures.references.count
        lines += [
            f"{name} rests on {real} real pictures: below {metric.enough_references} it is biased "
            "upwards and compares only with values at the same N and backbone"
            for name, metric in self.judging.metrics.items()
            if real < metric.enough_references
        ]
        lines += [
            f"{name} reads only the beginning of {score.overlong} of {got} captions: they are "
            f"longer than the text tower of {score.record.backbone}"
            for name, score in self.scores.items()
            if score.overlong
        ]
        for model, one in self.pictures.made.items():
            if one.blank:
                count = one.shown.count
                lines.append(f"{one.blank} of {count} pictures of the {model} are of one colour")
        return lines


def _say_score(name: str, score: Score) -> None:
    facts = score.record
    between = f" [{facts.ci95[0]:.3f}, {facts.ci95[1]:.3f}]" if facts.ci95 else ""
    say(
        f"{' '.join([name, facts.unit]).strip()}: {facts.original:.3f} -> {facts.finetuned:.3f} "
        f"({facts.difference:+.3f}{between}, p = {facts.p:.4f}): {facts.verdict}"
    )
