"""The templates of all pages, and what they may call."""

import base64
import hashlib
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
    environment.globals["script"] = _page_script()
    environment.globals["script_hash"] = page_script_hash()
    environment.filters["number"] = number
    environment.filters["signed"] = lambda value: number(value, signed=True)
    environment.filters["cell"] = markdown_cell
    return environment


def page_script_hash() -> str:
    """That of the script which all pages have."""
    return script_hash(_page_script())


def _page_script() -> str:
    return (TEMPLATES / "page.js").read_text(encoding="utf-8")


def script_hash(script: str) -> str:
    """By what a page's policy knows the one script that may run in it (W3C CSP level 2)."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def markdown_cell(text: object) -> str:
    """Foreign text inside a markdown table: one line, and nothing that acts."""
    flat = " ".join(str(text).split())
    for character in "\\`*_{}[]()#+!|~$":
        flat = flat.replace(character, f"\\{character}")
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
