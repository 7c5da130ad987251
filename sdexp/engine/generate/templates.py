"""Prompts of everyday things by category, without any network."""

import json
from itertools import product

from sdexp.ground.assets import ASSETS

FILE = ASSETS / "fillers.json"


def categories() -> list[str]:
    """What the prompts are of."""
    return list(json.loads(FILE.read_text()))


def template_prompts() -> list[str]:
    """Every prompt that the templates give, category by category, none twice.

    A template is filled with each combination of the words that it names.
    """
    prompts: dict[str, None] = {}
    for words in json.loads(FILE.read_text()).values():
        lists = {name: values for name, values in words.items() if name != "templates"}
        for template in words["templates"]:
            named = [name for name in lists if f"{{{name}}}" in template]
            for values in product(*(lists[name] for name in named)):
                prompts[template.format(**dict(zip(named, values, strict=True)))] = None
    return list(prompts)
