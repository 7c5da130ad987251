"""What an evaluation asks both models for: its own prompts, and those of its guards."""

from dataclasses import dataclass
from pathlib import Path

from sdexp.dataset.base import OpenDataset
from sdexp.engine.data import open_data
from sdexp.engine.prompts import Prompt, choose_prompts, evaluation_data, evaluation_prompts
from sdexp.engine.prompts import prompt_id as id_of
from sdexp.ground.assets import ASSETS
from sdexp.ground.config import Control
from sdexp.ground.prompt_files import read_prompts
from sdexp.ground.run import GUARDS, EvaluationFolder, RunFolder
from sdexp.recipes import Recipes

GENERAL, TRAIN = GUARDS


@dataclass(frozen=True)
class Asked:
    """Prompts of one purpose, and how many pictures of each.

    name: "" for the evaluation's own; data: that the prompts come from, None for general ones.
    """

    name: str
    prompts: list[Prompt]
    replicates: int
    data: OpenDataset | None = None

    @property
    def pictures(self) -> int:
        """How many pictures a model makes."""
        return len(self.prompts) * self.replicates

    def folder(self, evaluation: EvaluationFolder, model: str) -> Path:
        """Where the pictures of a model go."""
        return evaluation.images(f"{self.name}/{model}" if self.name else model)


def everything_asked(run: RunFolder, recipes: Recipes) -> list[Asked]:
    """The evaluation's own prompts first; nothing without an evaluation."""
    config = recipes.evaluation
    if not config.enabled:
        return []
    data = evaluation_data(run, recipes)
    own = Asked("", evaluation_prompts(data, recipes), config.replicates, data)
    if config.control == Control.self:
        return [own]
    metrics = recipes.judging.metrics.values()
    guards = []
    if any(metric.partner == "caption" or metric.tells_drift for metric in metrics):
        guards.append(Asked(GENERAL, general_prompts(recipes), 1))
    if any(metric.makes_numbers or "images" in metric.needs for metric in metrics):
        guards += _trained(run, recipes)
    return [own, *(one for one in guards if one.prompts)]


def general_prompts(recipes: Recipes) -> list[Prompt]:
    """Prompts that are not about the data: a person's own, or those of the package."""
    config = recipes.evaluation
    if config.general_prompts is not None:
        lines = read_prompts("evaluation.general_prompts", config.general_prompts)
    else:
        lines = (ASSETS / "prompts" / _list_of(recipes)).read_text().splitlines()
    chosen = lines[: config.num_general_prompts]
    return [Prompt(id_of(GENERAL, line), GENERAL, line, k) for k, line in enumerate(chosen)]


def _list_of(recipes: Recipes) -> str:
    """The embedded model knows few words."""
    return "pocket.txt" if recipes.model.is_embedded else "general.txt"


def _trained(run: RunFolder, recipes: Recipes) -> list[Asked]:
    """Captions that the run was trained on, each of another picture.

    Weights that are only given were trained on other ones.
    """
    config = recipes.evaluation
    if not recipes.finetune.trains or config.prompts is not None or not config.num_train_prompts:
        return []
    data = open_data(run, recipes, "train")
    first: dict[str, Prompt] = {}
    for prompt in choose_prompts(data, len(data)):
        first.setdefault(data.picture_id(prompt.index), prompt)
    return [Asked(TRAIN, list(first.values())[: config.num_train_prompts], 1, data)]
