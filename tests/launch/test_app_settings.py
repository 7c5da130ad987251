import pytest

from sdexp.ground.errors import ConfigError
from tests.service.houses import settings


def test_the_shipped_settings_are_local() -> None:
    found = settings()
    assert found.is_local and found.host == "127.0.0.1" and found.safety_checker is None
    assert not settings("host=0.0.0.0").is_local and settings("host=localhost").is_local


@pytest.mark.parametrize(
    "word",
    [
        "port=0",
        "port=70000",
        "max_queue=0",
        "max_images=0",
        "max_models=0",
        "max_prompt_chars=0",
        "max_inference_steps=1001",
        "max_guidance_scale=-1",
        "max_side=60",
        "max_side=100",
        "max_body_kb=0",
        "job_timeout=0",
        "client_timeout=0",
        "memory_gb=-1",
        "device=tpu",
    ],
)
def test_a_value_out_of_range_is_named(word: str) -> None:
    with pytest.raises(ConfigError, match=word.partition("=")[0]):
        settings(word)
