"""The pictures and captions of the pocket world: small scenes drawn by code from a seed.

A scene is one or two coloured shapes in front of a background. The same scene can be drawn in
several *looks*; every fact that a caption names (shape, colour, size, relation, background) is
visible in every look. Everything is drawn four times too large and averaged down, so that edges
are smooth and no picture contains pixel noise.
"""

import math
import random
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFilter

SIZE = 64
SCALE = 4
CANVAS = SIZE * SCALE

SHAPES = ("circle", "square", "triangle", "star", "cross", "heart")
COLORS = {
    "red": (222, 38, 38),
    "orange": (246, 138, 22),
    "yellow": (246, 222, 40),
    "green": (36, 158, 62),
    "cyan": (60, 204, 220),
    "blue": (38, 78, 222),
    "purple": (134, 46, 182),
    "pink": (250, 142, 196),
}
RADII = {"small": 8.5, "big": 13.5}
BACKGROUNDS = ("a bare wall", "stripes", "checks", "hills")
# Pixels by which a thing lies off its place: what captions do not tell must stay small, or a
# model of this size spends its training on it.
JITTER = 1.5
INVERSE = {
    "to the left of": "to the right of",
    "to the right of": "to the left of",
    "above": "below",
    "below": "above",
}
RELATIONS = tuple(INVERSE)

Color = tuple[int, int, int]


@dataclass(frozen=True)
class Thing:
    """One shape of a scene; centre in pixels of the 64x64 picture."""

    shape: str
    color: str
    size: str
    x: float
    y: float

    @property
    def name(self) -> str:
        return f"a {self.size} {self.color} {self.shape}"

    @property
    def short_name(self) -> str:
        article = "an" if self.color == "orange" else "a"
        return f"{article} {self.color} {self.shape}"


@dataclass(frozen=True)
class Scene:
    """Facts of one picture, before a look is chosen."""

    things: tuple[Thing, ...]
    relation: str | None
    background: str


def make_scene(seed: int) -> Scene:
    """The scene of a seed: one thing (half of the scenes) or two things with a relation."""
    rng = random.Random(f"pocket scene {seed}")
    background = rng.choice(BACKGROUNDS)
    shapes = rng.sample(SHAPES, 2)
    colors = rng.sample(sorted(COLORS), 2)
    sizes = [rng.choice(sorted(RADII)) for _ in range(2)]
    if rng.random() < 0.5:
        x, y = (32 + rng.uniform(-JITTER, JITTER) for _ in range(2))
        return Scene((Thing(shapes[0], colors[0], sizes[0], x, y),), None, background)
    relation = rng.choice(RELATIONS)
    along = [centre + rng.uniform(-JITTER, JITTER) for centre in (16, 48)]
    if relation in ("to the right of", "below"):
        along.reverse()
    across = [32 + rng.uniform(-JITTER, JITTER) for _ in range(2)]
    horizontal = relation in ("to the left of", "to the right of")
    things = tuple(
        Thing(shape, color, size, *((a, c) if horizontal else (c, a)))
        for shape, color, size, a, c in zip(shapes, colors, sizes, along, across, strict=True)
    )
    return Scene(things, relation, background)


def captions(scene: Scene) -> tuple[str, ...]:
    """Five different true captions; the first names every fact, none names the look."""
    place = scene.background
    first = scene.things[0]
    if scene.relation is None:
        return (
            f"{first.name} in front of {place}",
            f"{place} with {first.name}",
            first.short_name,
            f"there is {first.name}",
            f"{first.short_name} , {place} behind",
        )
    second = scene.things[1]
    relation = scene.relation
    inverse = INVERSE[relation]
    return (
        f"{relation} {second.name} there is {first.name} in front of {place}",
        f"{place} with {second.name} {inverse} {first.name}",
        f"{first.short_name} and {second.short_name}",
        f"{first.name} {relation} {second.name}",
        f"{second.short_name} {inverse} {first.short_name} , {place} behind",
    )


def name_look(caption: str, look: str, prefix: bool) -> str:
    """The caption with the look named, before or after it."""
    return f"a {look} picture , {caption}" if prefix else f"{caption} , {look}"


def _outline(thing: Thing) -> list[tuple[float, float]]:
    """Corner points of a shape in canvas pixels; round parts as short straight pieces."""
    radius = RADII[thing.size]
    turn = 2 * math.pi
    match thing.shape:
        case "circle":
            points = [(math.cos(turn * k / 48), math.sin(turn * k / 48)) for k in range(48)]
        case "square":
            points = [(-0.86, -0.86), (0.86, -0.86), (0.86, 0.86), (-0.86, 0.86)]
        case "triangle":
            points = [(0.0, -1.05), (1.05, 0.85), (-1.05, 0.85)]
        case "star":
            points = [
                (r * math.sin(turn * k / 10), -r * math.cos(turn * k / 10))
                for k in range(10)
                for r in [1.15 if k % 2 == 0 else 0.48]
            ]
        case "cross":
            a = 0.36
            b = 1.02
            points = [(-a, -b), (a, -b), (a, -a), (b, -a), (b, a), (a, a)]
            points += [(-x, -y) for x, y in points]
        case _:
            points = [
                (
                    1.05 * math.sin(turn * k / 48) ** 3,
                    -0.08
                    - (
                        13 * math.cos(turn * k / 48)
                        - 5 * math.cos(2 * turn * k / 48)
                        - 2 * math.cos(3 * turn * k / 48)
                        - math.cos(4 * turn * k / 48)
                    )
                    / 15.5,
                )
                for k in range(48)
            ]
    return [((thing.x + radius * x) * SCALE, (thing.y + radius * y) * SCALE) for x, y in points]


def _mask(thing: Thing) -> Image.Image:
    mask = Image.new("L", (CANVAS, CANVAS), 0)
    ImageDraw.Draw(mask).polygon(_outline(thing), fill=255)
    return mask


def _background_mask(background: str) -> Image.Image:
    """White where the second tone of the background is."""
    mask = Image.new("L", (CANVAS, CANVAS), 0)
    draw = ImageDraw.Draw(mask)
    if background == "stripes":
        for x in range(0, SIZE, 16):
            draw.rectangle((x * SCALE, 0, (x + 8) * SCALE - 1, CANVAS), fill=255)
    elif background == "checks":
        for x in range(0, SIZE, 16):
            for y in range(0, SIZE, 16):
                if (x + y) % 32 == 0:
                    box = (x * SCALE, y * SCALE, (x + 16) * SCALE - 1, (y + 16) * SCALE - 1)
                    draw.rectangle(box, fill=255)
    elif background == "hills":
        draw.ellipse((-30 * SCALE, 38 * SCALE, 40 * SCALE, 110 * SCALE), fill=255)
        draw.ellipse((22 * SCALE, 44 * SCALE, 100 * SCALE, 120 * SCALE), fill=255)
    return mask


def _flat(color: Color) -> Image.Image:
    return Image.new("RGB", (CANVAS, CANVAS), color)


def _mix(color: Color, other: Color, share: float) -> Color:
    """`share` of `other` in `color`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(color, other, strict=True))
    return red, green, blue


def _hatch(period: float, width: float, slope: int) -> Image.Image:
    """Broad parallel strokes: slope 1 falls, -1 rises, 0 lies flat; lengths in picture pixels."""
    mask = Image.new("L", (CANVAS, CANVAS), 0)
    draw = ImageDraw.Draw(mask)
    for k in range(round(-SIZE / period), round(2 * SIZE / period) + 1):
        y = k * period * SCALE
        line = (0, y, CANVAS, y + slope * CANVAS)
        draw.line(line, fill=255, width=round(width * SCALE))
    return mask


def _rim(mask: Image.Image, width: float) -> Image.Image:
    """The inner border of a mask, `width` picture pixels wide."""
    inner = mask.filter(ImageFilter.GaussianBlur(width * SCALE * 0.5))
    inner = inner.point(lambda value: 255 if value > 215 else 0)
    return ImageChops.subtract(mask, inner)


def _tones(scene: Scene, first: Color, second: Color) -> Image.Image:
    return Image.composite(_flat(second), _flat(first), _background_mask(scene.background))


def _plain(scene: Scene) -> Image.Image:
    picture = _tones(scene, (238, 236, 228), (202, 204, 202))
    for thing in scene.things:
        picture.paste(COLORS[thing.color], mask=_mask(thing))
    return picture


def _crayon(scene: Scene) -> Image.Image:
    paper: Color = (252, 242, 212)
    picture = _flat(paper)
    strokes = ImageChops.multiply(_background_mask(scene.background), _hatch(8, 4.2, -1))
    picture.paste((196, 160, 116), mask=strokes)
    for thing in scene.things:
        mask = _mask(thing)
        color = COLORS[thing.color]
        picture.paste(_mix(color, paper, 0.55), mask=mask)
        picture.paste(color, mask=ImageChops.multiply(mask, _hatch(8, 3.4, 1)))
        picture.paste(_mix(color, (60, 40, 30), 0.3), mask=_rim(mask, 2.4))
    return picture


def _night(scene: Scene) -> Image.Image:
    picture = _tones(scene, (10, 12, 34), (34, 38, 74))
    for thing in scene.things:
        mask = _mask(thing)
        color = COLORS[thing.color]
        glow = mask.filter(ImageFilter.GaussianBlur(3 * SCALE)).point(lambda v: round(v * 0.4))
        picture.paste(_mix(color, (255, 255, 255), 0.1), mask=glow)
        picture.paste(_mix(color, (255, 255, 255), 0.12), mask=mask)
    return picture


def _blueprint(scene: Scene) -> Image.Image:
    ground: Color = (18, 62, 128)
    picture = _tones(scene, ground, (44, 92, 160))
    for thing in scene.things:
        mask = _mask(thing)
        color = COLORS[thing.color]
        picture.paste(_mix(color, ground, 0.2), mask=mask)
        picture.paste(_mix(color, (255, 255, 255), 0.55), mask=_rim(mask, 3.2))
    return picture


def _woodcut(scene: Scene) -> Image.Image:
    ink: Color = (34, 26, 22)
    picture = _flat((226, 216, 196))
    cuts = ImageChops.multiply(_background_mask(scene.background), _hatch(8, 3.6, 0))
    picture.paste(ink, mask=cuts)
    for thing in scene.things:
        mask = _mask(thing)
        picture.paste(COLORS[thing.color], mask=mask)
        picture.paste(ink, mask=ImageChops.multiply(mask, _hatch(8, 2.4, 0)))
        picture.paste(ink, mask=_rim(mask, 2.6))
    return picture


_DRAW = {
    "plain": _plain,
    "crayon": _crayon,
    "night": _night,
    "blueprint": _blueprint,
    "woodcut": _woodcut,
}
LOOKS = tuple(_DRAW)


def draw(scene: Scene, look: str) -> Image.Image:
    """The scene in a look, as RGB [64, 64]; `look` is one of `LOOKS`."""
    return _DRAW[look](scene).resize((SIZE, SIZE), Image.Resampling.BOX)
