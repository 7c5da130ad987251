"""The model that the tests of strategies train."""

from sdexp.model.base import LoadedModel
from sdexp.model.stable_diffusion import StableDiffusion


def original() -> LoadedModel:
    return StableDiffusion("pocket-sd", None).load("cpu", "float32")
