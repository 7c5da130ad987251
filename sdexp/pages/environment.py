"""The templates of all pages, and what they may call."""

from pathlib import Path
from typing import Any

from sdexp.pages.words import number

TEMPLATES = Path(__file__).parent / "templates"


def environment(html: bool) -> Any:
    """The templates; `html` escapes whatever is put into them."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = number
    environment.filters["signed"] = lambda value: number(value, signed=True)
    environment.filters["cell"] = markdown_cell
    return environment


def markdown_cell(text: object) -> str:
    """Foreign text inside a markdown table: one line, and nothing that acts."""
    flat = " ".join(str(text).split())
    for character in "\\`*_{}[]()#+!|~$":
        flat = flat.replace(character, f"\\{character}")
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
