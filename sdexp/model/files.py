"""Configuration files of networks."""

import json


def settings_text(text: str) -> str:
    """A network's config.json without the place that it was loaded from."""
    values = {key: value for key, value in json.loads(text).items() if key != "_name_or_path"}
    return json.dumps(values, indent=2, sort_keys=True) + "\n"
