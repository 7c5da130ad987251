"""The evaluation of weights that were trained elsewhere: a run that only evaluates."""

import json
import shlex
import shutil
from pathlib import Path

from sdexp.ground.errors import ConfigError, DataError
from sdexp.launch.arguments import Arguments
from sdexp.launch.compose import Composed, compose
from sdexp.launch.door import look_first, tell_followed
from sdexp.launch.files import option_file
from sdexp.launch.freeze import freeze, run_folder
from sdexp.launch.job import REFUSED, carry_out
from sdexp.recipes import build_recipes

ORIGINAL = "original="
FINETUNED = "finetuned="
# What takes any checkpoint of a family.
ONE_ENCODER = "stable_diffusion"
TWO_ENCODERS = "sdxl"


def names_weights(overrides: list[str]) -> bool:
    """Whether a command names weights instead of a run."""
    return any(override.startswith((ORIGINAL, FINETUNED)) for override in overrides)


def composed_of_weights(overrides: list[str]) -> Composed:
    """The configuration of a run that has these weights; raises `ConfigError`."""
    paths = [o.removeprefix(FINETUNED) for o in overrides if o.startswith(FINETUNED)]
    if not paths or not paths[-1]:
        raise ConfigError(
            "finetuned: a value is missing; name a folder or a .safetensors file with "
            "finetuned=PATH"
        )
    own = [o for o in overrides if not o.startswith((ORIGINAL, FINETUNED))]
    chosen = [o for o in overrides if o.startswith(ORIGINAL)]
    model = _model(chosen[-1].removeprefix(ORIGINAL)) if chosen else []
    given = ["finetune=given", f"finetune.path={paths[-1]}"]
    return compose("train", ["tracker=none", *model, *given, *own])


def _model(original: str) -> list[str]:
    """What chooses an original: an option of the group, a folder, a file, or a Hub id."""
    if option_file("model", original) is not None:
        return [f"model={original}"]
    index = Path(original) / "model_index.json"
    is_xl = False
    if index.is_file():
        try:
            is_xl = "text_encoder_2" in json.loads(index.read_text())
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise DataError(f"{index}: no JSON ({str(error).splitlines()[0]})") from error
    model = TWO_ENCODERS if is_xl else ONE_ENCODER
    return [f"model={model}", f"model.pretrained_model_name_or_path={original}"]


def evaluate_weights(arguments: Arguments) -> int:
    """Evaluate in a run folder of its own; returns the exit code."""
    composed = composed_of_weights(arguments.overrides)
    recipes = build_recipes(composed.config)
    if not recipes.evaluation.enabled:
        raise ConfigError("evaluation=none: there is nothing to evaluate; leave it out")
    warnings = look_first(recipes)
    run, is_new = run_folder(composed)
    with run.lock() as lock:
        print(f"run folder: {run.path}", flush=True)
        tell_followed(composed)
        command = shlex.join(["python", "-m", "sdexp.evaluate", *arguments.words])
        freeze(run, composed, command, "running", warnings)
        run.change_record(stage="evaluate")
        code = carry_out(run, recipes, lock, ["evaluate"])
        if code in REFUSED and is_new and not run.partial.exists():
            shutil.rmtree(run.path)
            print("nothing was made; the folder is removed", flush=True)
    if code == 0:
        print(f"report: {run.report_html}", flush=True)
    return code
