import base64
import hashlib
import re

from sdexp.pages.environment import TEMPLATES, environment, markdown_cell, script_hash


def test_cells_are_one_line() -> None:
    assert markdown_cell("a\nb  c") == "a b c"


def test_a_page_allows_its_own_script_and_no_other() -> None:
    """What a browser hashes is the text between the tags."""
    page = environment(html=True).get_template("base.html").render(title="<b>")
    (text,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert text == (TEMPLATES / "page.js").read_text()
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    assert script_hash(text) == f"sha256-{digest}"
    policy = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy and f"script-src 'sha256-{digest}'" in policy[0]
    assert policy[0].startswith("default-src 'none'") and "unsafe-eval" not in policy[0]
