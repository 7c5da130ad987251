"""Folders of made-up pictures."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

from sdexp.dataset.scenes import captions, draw, make_scene


def scenes(folder: Path, names: str, grey: float = 0.0, side: int = 64) -> Path:
    """A picture for each letter, mixed with so much grey; captions beside them."""
    folder.mkdir(parents=True)
    told = {}
    for k, name in enumerate(names):
        scene = make_scene(1000 + k)
        picture = np.asarray(draw(scene, "plain").resize((side, side))) * (1 - grey) + 128 * grey
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{name}.png")
        told[name] = captions(scene)[0]
    (folder / "captions.json").write_text(json.dumps(told))
    return folder
