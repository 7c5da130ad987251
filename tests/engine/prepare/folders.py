"""A folder of photos with something wrong of each kind."""

import json
from pathlib import Path

from PIL import Image

from sdexp.launch.compose import compose
from sdexp.recipes import Recipes, build_recipes
from tests.shared import shared

WORDS = {
    "astronaut.png": "a woman in an orange suit",
    "chelsea.png": "a cat that looks up",
    "coffee.png": "a cup of coffee",
    "dog_00.jpg": "A",
    "dog_01.jpg": "IMG_2031.jpg",
    "dog_02.jpg": "they\u00e2\u20ac\u2122re a dog",
    "rocket.jpg": "a rocket at night",
    "vase_02.jpg": "red, " * 100,
}


def photos(folder: Path) -> Path:
    """Eight photos, four of them again in small, a damaged file and one without a caption."""
    folder.mkdir()
    source = shared("photos") / "train"
    rows = {}
    for k, (name, caption) in enumerate(WORDS.items()):
        (folder / name).write_bytes((source / name).read_bytes())
        rows[name] = caption
        if k % 2:
            with Image.open(source / name) as image:
                small = image.convert("RGB").resize((image.width // 2, image.height // 2))
            small.save(folder / f"again_{k}.jpg", quality=60)
            rows[f"again_{k}.jpg"] = caption
    (folder / "broken.jpg").write_bytes((source / "rocket.jpg").read_bytes()[:5000])
    rows["broken.jpg"] = "a broken picture"
    Image.new("RGB", (600, 600), "white").save(folder / "silent.png")
    lines = [json.dumps({"file_name": name, "text": text}) for name, text in rows.items()]
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    return folder


def recipes_of(folder: Path, *overrides: str) -> Recipes:
    """With the embedded model."""
    data = ["dataset=imagefolder", f"dataset.data_dir={folder}", "dataset.max_dropped_fraction=0.5"]
    words = ["model=pocket", "evaluation=none", *data, "dataset.test_fraction=0.3", *overrides]
    return build_recipes(compose("train", words).config)
