import pytest

from sdexp.tracker.redact import without_secrets


def test_secrets_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_API_KEY", "very-secret-value")
    config = {
        "tokenizer": "x",
        "placeholder_token": "<dog>",
        "token": "x",
        "nested": [{"api_key": "x", "PASSWORD": "x", "keep": "very-secret-value"}],
        "url": "https://user:pass@example.org/a",
    }
    assert without_secrets(config) == {
        "tokenizer": "x",
        "placeholder_token": "<dog>",
        "nested": [{"keep": "***"}],
        "url": "https://example.org/a",
    }
