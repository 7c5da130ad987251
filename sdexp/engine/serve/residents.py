"""The models in memory: each original once, and what makes it one of the finetuned ones."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sdexp.engine.originals import check_original
from sdexp.engine.saved import check_weights
from sdexp.engine.switching import Switchable, share, tensors_of
from sdexp.engine.train.milestones import write_weights_of
from sdexp.finetune.base import AbstractFinetune
from sdexp.ground.errors import DataError
from sdexp.ground.fingerprints import SeenFile
from sdexp.ground.run import RunFolder
from sdexp.ground.serving import Weights, original_key
from sdexp.model.base import LoadedModel
from sdexp.recipes import Recipes, given, read_recipes

# A state by its weights and the files that they were read from.
StateKey = tuple[Weights, tuple[SeenFile, ...]]


@dataclass(frozen=True)
class Prepared:
    """Weights that can be put in; name: of their original; state: None for that itself."""

    name: str
    recipes: Recipes
    model: LoadedModel
    state: Switchable | None

    @contextmanager
    def put_in(self, strength: float) -> Iterator[None]:
        """Have the model be these weights for a while."""
        if self.state is None:
            yield
            return
        with self.state.put_in(strength):
            yield


class Residents:
    """Models by what they are made of; those unused for longest leave when memory is short.

    limit: bytes for all of them together. Tensors that two originals have in common are shared.
    """

    def __init__(self, device: str, limit: int) -> None:
        self.device = device
        self._limit = limit
        self._originals: OrderedDict[str, LoadedModel] = OrderedDict()
        self._states: OrderedDict[StateKey, tuple[str, Switchable]] = OrderedDict()
        self._recipes: dict[SeenFile, Recipes] = {}

    def prepare(self, weights: Weights) -> Prepared:
        """Have weights in memory, with proof; raises `DataError` or `ConfigError` why not."""
        try:
            return self._prepared(weights)
        except FileNotFoundError as error:
            raise DataError(f"{error.filename}: is not there any more") from error

    def _prepared(self, weights: Weights) -> Prepared:
        run = RunFolder(Path(weights.run))
        recipes = self._recipes_of(run)
        name = original_key(run.read_record().base_weights, recipes.model)
        model = self._original(name, run, recipes)
        if weights.kind == "original":
            return Prepared(name, recipes, model, None)
        return Prepared(name, recipes, model, self._state(weights, run, recipes, name))

    @property
    def nbytes(self) -> int:
        """What all of them hold, a shared tensor once."""
        storages = {
            tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
            for model in self._originals.values()
            for own in tensors_of(model).values()
            for tensor in own.values()
        }
        return sum(storages.values()) + sum(state.nbytes for _, state in self._states.values())

    def _recipes_of(self, run: RunFolder) -> Recipes:
        if not run.config.is_file():
            raise DataError(f"run={run.path}: is not there any more")
        file = SeenFile.of(run.config)
        if file not in self._recipes:
            self._recipes[file] = read_recipes(run.config)
        return self._recipes[file]

    def _original(self, name: str, run: RunFolder, recipes: Recipes) -> LoadedModel:
        if name not in self._originals:
            model = recipes.model.load(self.device)
            check_original(run, model.fingerprints())
            for other in self._originals.values():
                share(model, other)
            self._originals[name] = model
            self._make_room(name)
        self._originals.move_to_end(name)
        return self._originals[name]

    def _state(self, weights: Weights, run: RunFolder, recipes: Recipes, name: str) -> Switchable:
        finetune, folder = _source(weights, run, recipes)
        key = (weights, _files(finetune, folder))
        if key not in self._states:
            self._forget(weights)
            if weights.kind == "run":
                check_weights(run, finetune.given_files(), notes=False)
            self._states[key] = (name, Switchable(self._originals[name], finetune, folder))
            self._make_room(name)
        self._states.move_to_end(key)
        return self._states[key][1]

    def _forget(self, weights: Weights) -> None:
        """What was read from files that are others by now."""
        for key in [key for key in self._states if key[0] == weights]:
            del self._states[key]

    def _make_room(self, wanted: str) -> None:
        """Let go what was unused for longest, but not the original and the state just asked for."""
        while self.nbytes > self._limit:
            others = [name for name in self._originals if name != wanted]
            if len(self._states) > 1:
                self._states.popitem(last=False)
            elif others:
                self._let_go(others[0])
            else:
                return

    def _let_go(self, name: str) -> None:
        del self._originals[name]
        for key in [key for key, (of, _) in self._states.items() if of == name]:
            del self._states[key]


def _source(weights: Weights, run: RunFolder, recipes: Recipes) -> tuple[AbstractFinetune, Path]:
    """How weights are put in, and the folder that they lie in."""
    if weights.kind == "export":
        folder = run.export(weights.name)
        return given(folder), folder
    if weights.kind == "checkpoint":
        step = int(weights.name)
        if not run.weights_at(step).is_dir():
            with run.lock():
                write_weights_of(run, recipes, step)
        return recipes.finetune, run.weights_at(step)
    return recipes.finetune, run.weights


def _files(finetune: AbstractFinetune, folder: Path) -> tuple[SeenFile, ...]:
    files = finetune.given_files() or sorted(folder.rglob("*.safetensors"))
    return tuple(SeenFile.of(file) for file in files)
