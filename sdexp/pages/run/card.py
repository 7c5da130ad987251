"""The model card of an export: what it was made from, and what it is worth."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from sdexp.ground.assets import located, public_name
from sdexp.ground.build import plain, read_run_config
from sdexp.ground.files import write_text
from sdexp.ground.run import RunFolder
from sdexp.pages.environment import environment
from sdexp.pages.run.facts import read_facts
from sdexp.pages.run.verdict import verdict_lines

LINES = {
    "diffusers": "pipeline.load_lora_weights(FOLDER), or unet=UNet2DConditionModel.from_pretrained("
    'FOLDER, subfolder="unet")',
    "peft": 'PeftModel.from_pretrained(pipeline.unet, FOLDER + "/unet")',
    "kohya": "the file goes into the LoRA folder of ComfyUI or of the WebUI",
    "pipeline": "DiffusionPipeline.from_pretrained(FOLDER)",
}

# What made the weights; places on a machine are nobody else's.
SECTIONS = ("finetune", "objective", "optimizer", "scheduler", "training", "evaluation")


def write_model_card(run: RunFolder, folder: Path, form: str) -> None:
    """Write `README.md` beside exported weights; raises `DataError` without a sound run.json."""
    facts = read_facts(run)
    config = plain(read_run_config(run.config))
    base = str(config["model"]["pretrained_model_name_or_path"])
    told = {section: config[section] for section in SECTIONS if section in config}
    told["finetune"] = {k: v for k, v in told["finetune"].items() if k != "path"}
    _, sentence, meaning = verdict_lines(facts)
    values = {
        "front": yaml.safe_dump(_front(base), sort_keys=False, allow_unicode=True).strip(),
        "title": facts.title,
        "base": public_name(base),
        "run": run.path.name,
        "sentence": sentence,
        "meaning": meaning,
        "scores": facts.scores,
        "use": LINES[form],
        "config": yaml.safe_dump(told, sort_keys=False, allow_unicode=True).strip(),
        "data": sorted(facts.record.data.items()),
    }
    text = environment(html=False).get_template("card.md").render(values)
    write_text(folder / "README.md", text)


def _front(base: str) -> dict[str, Any]:
    """What the Hub reads at the top of a card."""
    front: dict[str, Any] = {"base_model": public_name(base), "library_name": "diffusers"}
    licence = licence_of(base)
    if licence is not None:
        front["license"] = licence
    tags = ["stable-diffusion", "text-to-image", "diffusers", "diffusers-training"]
    return front | {"pipeline_tag": "text-to-image", "tags": tags}


def licence_of(base: str) -> str | None:
    """The licence that the card of the original names; None where there is no card here."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    card = Path(located(base)) / "README.md"
    is_id = base.count("/") == 1 and not base.startswith(".") and not Path(base).exists()
    if is_id:
        with suppress(HFValidationError):
            found = try_to_load_from_cache(base, "README.md")
            card = Path(found) if isinstance(found, str) else card
    if not card.is_file():
        return None
    parts = card.read_text(errors="replace").split("---\n")
    try:
        front = yaml.safe_load(parts[1]) if len(parts) > 2 else None
    except yaml.YAMLError:
        return None
    return str(front["license"]) if isinstance(front, dict) and "license" in front else None
