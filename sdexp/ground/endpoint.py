"""Where a language model is asked, as the environment names it."""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from sdexp.ground.errors import ConfigError

BASE_URL = "OPENAI_BASE_URL"
MODEL = "OPENAI_MODEL"
API_KEY = "OPENAI_API_KEY"


@dataclass(frozen=True)
class Endpoint:
    """A server that speaks OpenAI's chat protocol, and which of its models is asked.

    api_key: empty where none is needed.
    """

    base_url: str
    model: str
    api_key: str = field(repr=False)

    @property
    def address(self) -> str:
        return f"{self.base_url.rstrip('/')}/chat/completions"

    @property
    def shown(self) -> str:
        """The address for a person, without a password in it."""
        parts = urlsplit(self.address)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def endpoint() -> Endpoint:
    """What the environment names; raises `ConfigError` where that is too little or cannot be."""
    told = {n: os.environ[n].strip() if n in os.environ else "" for n in (BASE_URL, MODEL, API_KEY)}
    missing = [name for name in (BASE_URL, MODEL) if not told[name]]
    if missing:
        raise ConfigError(
            f"grid.fillers=llm: {missing[0]} is not set; set {BASE_URL}, {MODEL} and, where the "
            f"server wants one, {API_KEY}, or choose grid.fillers=prompts"
        )
    if not told[BASE_URL].startswith(("http://", "https://")):
        raise ConfigError(f"grid.fillers=llm: {BASE_URL} must begin with http:// or https://")
    if not told[API_KEY].isascii():
        raise ConfigError(f"grid.fillers=llm: {API_KEY} holds characters that no key has")
    return Endpoint(told[BASE_URL], told[MODEL], told[API_KEY])
