import pytest

from sdexp.ground.endpoint import API_KEY, BASE_URL, MODEL, Endpoint, endpoint
from sdexp.ground.errors import ConfigError


@pytest.fixture(autouse=True)
def nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (BASE_URL, MODEL, API_KEY):
        monkeypatch.delenv(name, raising=False)


def test_the_environment_says_where_to_ask(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="grid.fillers=llm: OPENAI_BASE_URL is not set"):
        endpoint()
    monkeypatch.setenv(BASE_URL, "http://127.0.0.1:8080/v1/")
    with pytest.raises(ConfigError, match="OPENAI_MODEL is not set"):
        endpoint()
    monkeypatch.setenv(MODEL, "small")
    assert endpoint() == Endpoint("http://127.0.0.1:8080/v1/", "small", "")
    assert endpoint().address == "http://127.0.0.1:8080/v1/chat/completions"


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (BASE_URL, "localhost:8080", "OPENAI_BASE_URL must begin with http:// or https://"),
        (API_KEY, "k\u00fc", "OPENAI_API_KEY holds characters that no key has"),
    ],
)
def test_what_cannot_be_is_told(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(BASE_URL, "https://x.org")
    monkeypatch.setenv(MODEL, "small")
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=told):
        endpoint()


def test_secrets_are_not_shown() -> None:
    where = Endpoint("https://me:secret@x.org:81/v1", "small", "key")
    assert where.shown == "https://x.org:81/v1/chat/completions"
    assert "key" not in repr(where).replace("api_key", "")
