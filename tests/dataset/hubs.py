"""Sets as the Hub has them: parquet files with pictures inside."""

import io
from pathlib import Path
from typing import Any

import PIL.Image
from datasets import ClassLabel, Dataset, Features, Image, Value

STYLES = ["Cubism", "Impressionism", "Pop_Art"]


def png(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    PIL.Image.new("RGB", (40, 30), colour).save(file, "PNG")
    return file.getvalue()


def row(number: int, **values: Any) -> dict[str, Any]:
    """A picture of its own colour, whose style changes from row to row."""
    image = {"bytes": png((number, 90, 90)), "path": f"{number}.png"}
    return {"image": image, "style": number % 3, "text": f"caption {number}"} | values


def write_set(
    folder: Path, rows: list[dict[str, Any]], split: str = "train", files: int = 1, **features: Any
) -> Path:
    """A split of a set, in several files."""
    kinds = {"image": Image(), "style": ClassLabel(names=STYLES), "text": Value("string")}
    data = Dataset.from_list(rows, features=Features(kinds | features))
    for part in range(files):
        file = folder / "data" / f"{split}-{part:05d}-of-{files:05d}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        data.shard(files, part, contiguous=True).to_parquet(file)
    return folder
