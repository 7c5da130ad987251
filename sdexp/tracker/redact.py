"""What a tracker may be told of a configuration."""

import os
import re
from typing import Any

SECRET_NAME = re.compile(
    r"passw(or)?d|secret|credential|api_?key|(^|(hf|hub|auth|access|api)_)token$", re.IGNORECASE
)
URL_LOGIN = re.compile(r"://[^/@\s]+@")


def without_secrets(value: Any) -> Any:
    """The same nested value without keys that look like secrets, and without their values."""
    hidden = {
        text for name, text in os.environ.items() if SECRET_NAME.search(name) and len(text) >= 8
    }
    if isinstance(value, dict):
        return {k: without_secrets(v) for k, v in value.items() if not SECRET_NAME.search(str(k))}
    if isinstance(value, list | tuple):
        return [without_secrets(item) for item in value]
    if isinstance(value, str):
        return "***" if value in hidden else URL_LOGIN.sub("://", value)
    return value
