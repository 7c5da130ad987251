"""The model that the tests of strategies train."""

from sdexp.model.base import LoadedModel
from tests.checkpoints import recipe


def original() -> LoadedModel:
    return recipe().load("cpu")
