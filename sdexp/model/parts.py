"""The networks, tokenizers and scheduler of a checkpoint, wherever they lie."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdexp.ground.applied import check_loading
from sdexp.ground.assets import located
from sdexp.ground.errors import DataError
from sdexp.ground.fingerprints import SeenFile
from sdexp.ground.streams import stream_seed
from sdexp.ground.tensors import check_finite, read_metadata
from sdexp.model.architecture import CONFIGS, network_kinds, new_network, published_tokenizer
from sdexp.model.single_file import read_single_file

KEY = "model.pretrained_model_name_or_path"
OTHERS = ("unet", "vae")


@dataclass(frozen=True)
class Parts:
    """Networks and tokenizers by the names of their folders; scheduler: its settings.

    files: of networks that were read from one file of their own.
    """

    networks: dict[str, Any]
    tokenizers: dict[str, Any]
    scheduler: dict[str, Any]
    files: dict[str, SeenFile] = field(default_factory=dict)

    def of(self, names: Iterable[str]) -> dict[str, Any]:
        """Networks of these names."""
        return {name: self.networks[name] for name in names}

    def new_scheduler(self) -> Any:
        """One that knows every setting, those of other samplers too."""
        from diffusers import DDIMScheduler

        return DDIMScheduler.from_config(self.scheduler)


def random_parts(architecture: str, encoders: tuple[str, ...]) -> Parts:
    """An architecture with weights drawn from a stream for each network."""
    import torch

    networks = {}
    for name in (*OTHERS, *encoders):
        with torch.random.fork_rng():
            torch.manual_seed(stream_seed(0, "weights", name))
            networks[name] = new_network(architecture, name).eval()
    return _published(architecture, encoders, networks)


def file_parts(file: Path, architecture: str, encoders: tuple[str, ...]) -> Parts:
    """Those of one file in the original layout.

    Raises `DataError` unless it is whole and all its numbers are finite.
    """
    networks = read_single_file(file, architecture, (*OTHERS, *encoders))
    _check_numbers(str(file), networks)
    return _published(architecture, encoders, networks)


def _published(architecture: str, encoders: tuple[str, ...], networks: dict[str, Any]) -> Parts:
    """Networks beside the tokenizers and the scheduler of an architecture."""
    from diffusers import DDIMScheduler

    tokenizers = {n: published_tokenizer(architecture, n) for n in map(tokenizer_of, encoders)}
    scheduler = DDIMScheduler.load_config(CONFIGS / architecture, subfolder="scheduler")
    return Parts(networks, tokenizers, scheduler)


def folder_parts(
    name: str, revision: str | None, variant: str | None, encoders: tuple[str, ...]
) -> Parts:
    """Those of an asset, a diffusers folder or a Hub id.

    Raises `DataError` for what is missing, damaged, not whole or not finite.
    """
    try:
        parts = _read_folder(name, revision, variant, encoders)
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(
            f"{KEY}={name}: cannot be loaded ({str(error).splitlines()[0]}); name a diffusers "
            "folder or Hub id with safetensors, or one .safetensors file"
        ) from error
    _check_numbers(name, parts.networks)
    return parts


def _check_numbers(name: str, networks: dict[str, Any]) -> None:
    for folder, network in networks.items():
        check_finite(f"{KEY}={name}: {folder}", dict(network.named_parameters()))


def _read_folder(
    name: str, revision: str | None, variant: str | None, encoders: tuple[str, ...]
) -> Parts:
    """Each network by itself, so that what its file lacks is counted."""
    import torch
    from diffusers import DDIMScheduler, DiffusionPipeline
    from transformers import CLIPTokenizer

    place = located(name)
    _check_family(name, DiffusionPipeline.load_config(place, revision=revision), encoders)
    files = _files(Path(place), (*OTHERS, *encoders))
    networks = {}
    for folder in (*OTHERS, *encoders):
        from_pretrained: Callable[..., Any] = network_kinds()[folder].from_pretrained
        networks[folder], info = from_pretrained(
            place,
            subfolder=folder,
            revision=revision,
            variant=variant,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
        )
        check_loading(f"{KEY}={name}: {folder}", info)
    channels = networks["unet"].config.in_channels
    if channels != networks["vae"].config.latent_channels:
        raise DataError(
            f"{KEY}={name}: its U-Net reads {channels} channels, as for inpainting; name a "
            "text-to-image checkpoint"
        )
    tokenizers = {
        folder: CLIPTokenizer.from_pretrained(place, subfolder=folder, revision=revision)
        for folder in map(tokenizer_of, encoders)
    }
    scheduler = DDIMScheduler.load_config(place, subfolder="scheduler", revision=revision)
    return Parts(networks, tokenizers, scheduler, files)


def _files(place: Path, folders: Iterable[str]) -> dict[str, SeenFile]:
    """The file of weights in each folder that has a single one, as it is before it is read."""
    files = {}
    for folder in folders:
        own = list((place / folder).glob("*.safetensors"))
        for file in own:
            # Only our reader says what a file is that holds no weights.
            read_metadata(file)
        if len(own) == 1:
            files[folder] = SeenFile.of(own[0])
    return files


def _check_family(name: str, index: dict[str, Any], encoders: tuple[str, ...]) -> None:
    """Raise `DataError` where model_index.json tells of other networks."""
    parts = {part for part, where in index.items() if isinstance(where, list) and where[0]}
    lacking = [part for part in (*OTHERS, *encoders) if part not in parts]
    foreign = sorted(part for part in parts if part.startswith("text_encoder"))[len(encoders) :]
    if lacking or foreign:
        told = f"without {lacking[0]}" if lacking else f"with {foreign[0]}"
        raise DataError(
            f"{KEY}={name}: holds a {index['_class_name']} {told}, which is another family; choose "
            "its model="
        )


def tokenizer_of(encoder: str) -> str:
    """The folder of a text encoder's tokenizer."""
    return encoder.replace("text_encoder", "tokenizer")
