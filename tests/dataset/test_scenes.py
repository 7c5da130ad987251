from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from sdexp.dataset.scenes import (
    BACKGROUNDS,
    COLORS,
    INVERSE,
    JITTER,
    LOOKS,
    RADII,
    SHAPES,
    Scene,
    Thing,
    captions,
    draw,
    make_scene,
    name_look,
)

SCENE = Scene((Thing("circle", "red", "big", 32, 32),), None, "a bare wall")


def with_thing(**facts: str) -> Scene:
    return replace(SCENE, things=(replace(SCENE.things[0], **facts),))


VALUES = {
    "shape": [with_thing(shape=shape) for shape in SHAPES],
    "color": [with_thing(color=color) for color in COLORS],
    "size": [with_thing(size=size) for size in RADII],
    "background": [replace(SCENE, background=background) for background in BACKGROUNDS],
}


@pytest.mark.parametrize("fact", VALUES)
@pytest.mark.parametrize("look", LOOKS)
def test_every_fact_shows_in_every_look(look: str, fact: str) -> None:
    """Scenes that differ in one fact differ visibly in at least one pixel of a hundred."""
    pictures = [np.asarray(draw(scene, look)).astype(int) for scene in VALUES[fact]]
    for one, other in combinations(pictures, 2):
        assert (np.abs(one - other).max(axis=2) > 24).mean() > 0.01


def test_the_relation_is_true() -> None:
    """The first thing lies where the relation says, seen from the second."""
    seen = set()
    for seed in range(200):
        scene = make_scene(seed)
        if scene.relation is None:
            assert len(scene.things) == 1
            continue
        first, second = scene.things
        across, down = first.x - second.x, first.y - second.y
        along = {
            "to the left of": -across,
            "to the right of": across,
            "above": -down,
            "below": down,
        }
        assert along[scene.relation] > 32 - 2 * JITTER - 1
        seen.add(scene.relation)
    assert seen == set(INVERSE)


def test_the_inverse_relation_tells_the_same() -> None:
    scene = next(s for s in map(make_scene, range(20)) if s.relation == "above")
    first, second = scene.things
    assert captions(scene)[3] == f"{first.name} above {second.name}"
    assert f"{second.name} below {first.name}" in captions(scene)[1]


def test_a_look_is_named_before_or_after() -> None:
    assert name_look("a red star", "night", prefix=True) == "a night picture , a red star"
    assert name_look("a red star", "night", prefix=False) == "a red star , night"


def test_the_same_seed_gives_the_same_scene() -> None:
    assert make_scene(7) == make_scene(7) != make_scene(8)
