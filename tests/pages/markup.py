"""What stands on a page beside its own script."""

from sdexp.pages.environment import TEMPLATES

OWN = f"<script>{(TEMPLATES / 'page.js').read_text()}</script>"


def without_script(page: str) -> str:
    """The page less its own script, which it must hold exactly once."""
    assert page.count(OWN) == 1
    return page.replace(OWN, "")
