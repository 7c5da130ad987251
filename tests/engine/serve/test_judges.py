"""What is said of single pictures, against the networks' own packages."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from sdexp.backbone.alexnet import AlexNet, LoadedAlexNet
from sdexp.backbone.clip import Clip, LoadedClip
from sdexp.engine.serve.judges import Judges
from sdexp.ground.assets import located
from sdexp.ground.store import Store
from sdexp.recipes import Recipes

PROMPT = "a big red heart"


def picture(seed: int, height: int = 64, width: int = 64) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def lpips_of(one: np.ndarray, other: np.ndarray) -> float:
    """By the package's own network over torchvision's trunk, put together by hand."""
    import lpips
    from torchvision.models import alexnet

    trunk = alexnet()
    trunk.load_state_dict(load_file(f"{located('alexnet')}/model.safetensors"), strict=False)
    network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    children = [layer for part in list(network.net.children())[:5] for layer in part]
    for mine, theirs in zip(children, trunk.features, strict=False):
        mine.load_state_dict(theirs.state_dict())
    signed = [torch.tensor(p).permute(2, 0, 1)[None] / 127.5 - 1 for p in (one, other)]
    with torch.inference_mode():
        return float(network(*signed))


def clip_score_of(pixels: np.ndarray, prompt: str) -> float:
    """By transformers' own model and processor."""
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

    folder = located("pocket-clip")
    seen = CLIPImageProcessor.from_pretrained(folder)(Image.fromarray(pixels), return_tensors="pt")
    tokens = CLIPTokenizer.from_pretrained(folder)(prompt, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        out = CLIPModel.from_pretrained(folder, dtype=torch.float32)(**seen, **tokens)
    cosine = (out.image_embeds * out.text_embeds).sum()
    return 100 * float(cosine / (out.image_embeds.norm() * out.text_embeds.norm()))


def test_the_clip_score_is_100_times_the_cosine(recipes: Any, store: Store) -> None:
    judges = Judges(store, "cpu")
    for pixels, prompt in ((picture(0), PROMPT), (picture(1, 96, 64), "a small blue star")):
        told = judges.clip_score(recipes(), pixels, prompt)
        assert told == (pytest.approx(clip_score_of(pixels, prompt), abs=1e-3), "pocket-clip")


def test_drift_is_the_lpips_of_the_package_and_0_for_equal_pictures(
    recipes: Any, store: Store
) -> None:
    judges = Judges(store, "cpu")
    one = picture(0, 32, 64)
    other = picture(1, 32, 64)
    expected = pytest.approx(lpips_of(one, other), abs=1e-6)
    assert judges.drift(recipes(), one, other) == (expected, "alexnet")
    assert judges.drift(recipes(), one, one.copy()) == (0.0, "alexnet")
    # Pictures of other sizes are no pair, also where they have as many pixels.
    assert judges.drift(recipes(), one, picture(1)) is None
    assert judges.drift(recipes(), one, other.reshape(64, 32, 3)) is None


def without(recipes: Recipes, **backbones: Any) -> Recipes:
    """The same run with these backbones alone."""
    return replace(recipes, judging=replace(recipes.judging, metrics={}, backbones=backbones))


def test_without_a_judge_nothing_is_said(recipes: Any, store: Store, tmp_path: Path) -> None:
    judges = Judges(store, "cpu")
    absent = str(tmp_path / "absent")
    cases = {
        "none": without(recipes()),
        "other kinds": without(recipes(), clip=AlexNet("alexnet")),
        "not on this machine": without(recipes(), clip=Clip(absent), alexnet=AlexNet(absent)),
    }
    told = {name: judges.clip_score(case, picture(0), PROMPT) for name, case in cases.items()}
    assert set(told.values()) == {None}
    lpips = {name: judges.drift(case, picture(0), picture(1)) for name, case in cases.items()}
    assert lpips.pop("other kinds") is not None and set(lpips.values()) == {None}


def test_nothing_is_said_or_loaded_twice(
    recipes: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def counted(kind: type[Any], name: str) -> None:
        work = getattr(kind, name)

        def counting(self: Any, *values: Any) -> Any:
            calls.append(f"{kind.__name__}.{name}")
            return work(self, *values)

        monkeypatch.setattr(kind, name, counting)

    for kind, name in (
        (LoadedClip, "images"),
        (LoadedClip, "texts"),
        (LoadedAlexNet, "pairs"),
        (Clip, "start"),
        (AlexNet, "start"),
    ):
        counted(kind, name)
    built = recipes()

    def judged(judges: Judges, seed: int, prompt: str) -> Any:
        pixels = picture(seed)
        return judges.clip_score(built, pixels, prompt), judges.drift(built, pixels, picture(9))

    judges = Judges(store, "cpu")
    first = judged(judges, 0, PROMPT)
    loads = ["Clip.start", "AlexNet.start"]
    said = ["LoadedClip.images", "LoadedClip.texts", "LoadedAlexNet.pairs"]
    assert sorted(calls) == sorted(loads + said)
    calls.clear()
    assert judged(judges, 0, PROMPT) == first and calls == []
    # Another process with the same store.
    assert judged(Judges(store, "cpu"), 0, PROMPT) == first and sorted(calls) == sorted(loads)
    calls.clear()
    # Of another picture, the prompt is known.
    other = judged(judges, 1, PROMPT)
    assert calls == ["LoadedClip.images", "LoadedAlexNet.pairs"] and other != first
    calls.clear()
    assert judged(judges, 1, "a small blue star")[0] != other[0] and calls == ["LoadedClip.texts"]
