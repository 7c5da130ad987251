"""What can be served: the originals, and the runs, checkpoints and exports of a folder."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sdexp.ground.applied import Applied
from sdexp.ground.fingerprints import SeenFile
from sdexp.ground.run import RunFolder, saved_steps
from sdexp.ground.sampling import Sampling
from sdexp.ground.score_records import ScoresRecord
from sdexp.ground.serving import Proved, Weights, WeightsKind, original_key
from sdexp.recipes import Recipes
from sdexp.service.found import FoundRun, facts_of, files_of, folder_of, look_at

# How deep runs lie below a folder of them: outputs/<day>/<run>, multirun/<time>/<job>.
DEPTHS = ("", "*/", "*/*/", "*/*/*/")
JOINT = "~"
# What a name begins with that is not to be shown.
HALVES = "."


@dataclass(frozen=True)
class Entry:
    """Weights that somebody may ask for; `original` is the id of those of their original.

    defaults: how the run's evaluation makes pictures; refused: why they cannot be served; proof:
    what the process that owns the models found of them; has_differed: whether a picture of them was
    another one than the original's here.
    """

    id: str
    kind: WeightsKind
    weights: Weights
    original: str
    run: str | None
    choices: dict[str, str]
    steps: int | None
    defaults: Sampling
    scores: ScoresRecord | None
    refused: str | None
    proof: Proved | None = None
    has_differed: bool = False

    @property
    def label(self) -> str:
        """A few words for people."""
        if self.kind == "original":
            return f"original, {self.choices['model']}"
        step = "" if self.steps is None else f", step {self.steps}"
        form = f", {self.weights.name}" if self.kind == "export" else ""
        return f"{self.choices['finetune']}{step}, {self.choices['dataset']}{form}"

    @property
    def has_strength(self) -> bool:
        """Whether these are adapters, as far as is known by now."""
        return self.proof is not None and self.proof.has_strength

    @property
    def differs(self) -> bool:
        """Whether its pictures are known to differ from the original's."""
        evaluated = self.kind == "run" and self.scores is not None and self.scores.control is None
        return evaluated or self.has_differed

    @property
    def applied(self) -> Applied | None:
        """The proof of loading: of this service, or else of the evaluation."""
        if self.proof is not None:
            return self.proof.applied
        return self.scores.applied if self.scores and self.kind == "run" else None


class Catalogue:
    """Looks into a folder of runs; what has not changed is not read again.

    Clients name what it holds by ids: nothing that they say becomes a path.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._seen: dict[Path, tuple[tuple[SeenFile, ...], FoundRun]] = {}
        self._entries: dict[str, Entry] = {}
        self._runs: dict[str, FoundRun] = {}
        self._differing: dict[Weights, tuple[SeenFile, ...]] = {}
        self._proofs: dict[Weights, tuple[tuple[SeenFile, ...], Proved]] = {}

    def refresh(self) -> None:
        """Look again."""
        found = sorted(self._found(), key=lambda one: one.record.started or "", reverse=True)
        self._runs = {one.id: one for one in found}
        originals: dict[str, Entry] = {}
        others: dict[str, Entry] = {}
        for one in found:
            if one.recipes is not None:
                original = _original(one, one.recipes)
                originals.setdefault(original.id, original)
                others |= {entry.id: entry for entry in _entries_of(one, original)}
        entries = originals | others
        self._entries = {name: self._proved(entry) for name, entry in entries.items()}
        self._forget({entry.weights for entry in entries.values()})

    def _forget(self, known: set[Weights]) -> None:
        """Nothing is kept of what is not there any more."""
        runs = {found.run.path for found in self._runs.values()}
        self._seen = {path: seen for path, seen in self._seen.items() if path.absolute() in runs}
        for kept in (self._proofs, self._differing):
            # Proofs may come in on another thread meanwhile.
            for weights in set(kept) - known:
                del kept[weights]

    @property
    def entries(self) -> list[Entry]:
        """Originals first, then the newest runs."""
        return list(self._entries.values())

    @property
    def runs(self) -> list[FoundRun]:
        """The newest first."""
        return list(self._runs.values())

    def entry(self, name: str) -> Entry | None:
        return self._entries.get(name)

    def run(self, name: str) -> FoundRun | None:
        return self._runs.get(name)

    def note(self, proof: Proved) -> None:
        """Keep what was found of weights, for as long as they stay what they are."""
        refused = proof.refused and self.shortened(proof.refused)
        self._proofs[proof.weights] = (files_of(proof.weights), replace(proof, refused=refused))
        for name, entry in self._entries.items():
            if entry.weights == proof.weights:
                self._entries[name] = self._proved(entry)

    def note_differing(self, name: str) -> None:
        """A picture of these weights was seen to be another one than the original's."""
        if name in self._entries:
            entry = self._entries[name]
            self._differing[entry.weights] = files_of(entry.weights)
            self._entries[name] = replace(entry, has_differed=True)

    def unproved(self) -> list[Entry]:
        """Weights that nobody has looked at yet, but those that would have to be made first."""
        return [
            entry
            for entry in self._entries.values()
            if entry.proof is None and entry.refused is None and folder_of(entry.weights).is_dir()
        ]

    def shortened(self, text: str) -> str:
        """A text without places of this machine."""
        for place in (self.root.absolute(), self.root):
            if place.name:
                text = text.replace(f"{place}/", "").replace(str(place), place.name)
        return text.replace(str(Path.home()), "~")

    def _proved(self, entry: Entry) -> Entry:
        files = files_of(entry.weights)
        has_differed = self._differing.get(entry.weights) == files
        entry = replace(entry, has_differed=has_differed)
        facts, proof = self._proofs.get(entry.weights, ((), None))
        if proof is None or facts != files:
            return replace(entry, proof=None)
        return replace(entry, proof=proof, refused=proof.refused or entry.refused)

    def _found(self) -> Iterator[FoundRun]:
        folders = {file.parent for depth in DEPTHS for file in self.root.glob(f"{depth}run.json")}
        for folder in folders:
            run = RunFolder(folder.absolute())
            facts = facts_of(run)
            if folder not in self._seen or self._seen[folder][0] != facts:
                one = look_at(self._id(folder), run)
                if one is None:
                    continue
                one = replace(one, fault=one.fault and self.shortened(one.fault))
                self._seen[folder] = (facts, one)
            yield self._seen[folder][1]

    def _id(self, folder: Path) -> str:
        parts = folder.relative_to(self.root).parts or (folder.absolute().name,)
        return JOINT.join(parts)


def _original(one: FoundRun, recipes: Recipes) -> Entry:
    key = original_key(one.record.base_weights, recipes.model)
    name = f"original{JOINT}{key[:8]}"
    return Entry(
        id=name,
        kind="original",
        weights=Weights(str(one.run.path), "original"),
        original=name,
        run=None,
        choices=one.record.choices,
        steps=None,
        defaults=recipes.evaluation.sampling(
            recipes.training.resolution or recipes.model.native_resolution()
        ),
        scores=None,
        refused=None,
    )


def _entries_of(one: FoundRun, original: Entry) -> Iterator[Entry]:
    """The run's own weights, then those of checkpoints and exports that lie there."""
    training = one.record.training
    own = replace(
        original,
        id=one.id,
        kind="run",
        weights=Weights(str(one.run.path), "run"),
        run=one.id,
        steps=training.steps if training else None,
        scores=one.scores,
        refused=one.fault,
    )
    yield own
    for step in _steps(one.run, own.steps):
        weights = Weights(str(one.run.path), "checkpoint", str(step))
        name = f"{one.id}@{step}"
        yield replace(own, id=name, kind="checkpoint", weights=weights, steps=step, scores=None)
    for folder in sorted(one.run.export("").glob("*/")):
        if not folder.name.startswith((HALVES, "checkpoint-")):
            weights = Weights(str(one.run.path), "export", folder.name)
            name = f"{one.id}@{folder.name}"
            # That of the final weights may be of a shorter training than the run has by now.
            suffix = folder.name.rpartition("-")[2]
            steps = int(suffix) if suffix.isdecimal() else None
            yield replace(own, id=name, kind="export", weights=weights, steps=steps, scores=None)


def _steps(run: RunFolder, last: int | None) -> list[int]:
    """Steps but the last whose weights are there or can be made of a checkpoint."""
    made = [path.name.rpartition("-")[2] for path in run.export("").glob("checkpoint-*/")]
    steps = {*saved_steps(run.checkpoints), *(int(name) for name in made if name.isdecimal())}
    return sorted(steps - {last})
