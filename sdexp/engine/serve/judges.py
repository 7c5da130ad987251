"""What is said of single pictures: how well they fit their prompt, how far they have drifted."""

import numpy as np

from sdexp.backbone.base import LoadedBackbone
from sdexp.engine.feature_store import FeatureStore, shown
from sdexp.engine.generate.scores import judge_of
from sdexp.ground.store import Store
from sdexp.metric.judging import Judging
from sdexp.recipes import Recipes
from sdexp.stats.scores import cosines

# A number, and the name of the network that it comes from; None where no network can give it.
Told = tuple[float, str] | None


class Judges:
    """Networks that score, each loaded once; what they said of a picture comes from the store."""

    def __init__(self, store: Store, device: str) -> None:
        self._store = store
        self._device = device
        self._loaded: dict[str, LoadedBackbone] = {}

    def clip_score(self, recipes: Recipes, picture: np.ndarray, prompt: str) -> Told:
        """100 times the cosine of a picture uint8 [H, W, 3] and its prompt, by the run's CLIP."""
        name = judge_of(recipes)
        if name is None:
            return None
        judge = self._judge(recipes.judging, name)
        kept = FeatureStore(judge, self._store, self._device)
        seen = kept.get_or_make(
            kept.key("images", *shown(picture[None])), lambda: judge.images(picture[None])
        )
        said = kept.get_or_make(kept.key("texts", prompt), lambda: judge.texts([prompt]))
        return 100 * float(cosines(seen, said)[0, 0]), judge.name

    def drift(self, recipes: Recipes, picture: np.ndarray, original: np.ndarray) -> Told:
        """LPIPS of a picture and the original's by the same noise; 0 for equal pictures."""
        name = _lpips(recipes.judging)
        if name is None or picture.shape != original.shape:
            return None
        judge = self._judge(recipes.judging, name)
        if np.array_equal(picture, original):
            return 0.0, judge.name
        kept = FeatureStore(judge, self._store, self._device)
        key = kept.key("pairs", *shown(picture[None]), *shown(original[None]))
        distance = kept.get_or_make(key, lambda: judge.pairs(picture[None], original[None]))
        return float(distance[0]), judge.name

    def _judge(self, judging: Judging, name: str) -> LoadedBackbone:
        backbone = judging.backbones[name]
        if backbone.name not in self._loaded:
            self._loaded[backbone.name] = backbone.start(self._device)
        return self._loaded[backbone.name]


def _lpips(judging: Judging) -> str | None:
    """The backbone that LPIPS is defined by, where its weights are on this machine."""
    for name, backbone in judging.backbones.items():
        if "lpips" in backbone.standards and not judging.missing_files([name], reachable=False):
            return name
    return None
