"""Captions for pictures without, by a BLIP model (Li et al. 2022, arXiv 2201.12086)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PIL import Image

from sdexp.dataset.base import AbstractDataset
from sdexp.dataset.pictures import BadPicture, read_picture
from sdexp.ground.applied import check_loading
from sdexp.ground.audit_records import PrepareRequest
from sdexp.ground.errors import DataError
from sdexp.ground.interrupt import check_interrupt
from sdexp.ground.progress import Progress, say
from sdexp.ground.quiet import quiet_libraries


class Captioner:
    """A BLIP model on a device; one picture at a time, so that a caption depends on it alone."""

    def __init__(self, request: PrepareRequest, device: str) -> None:
        import torch
        from transformers import BlipForConditionalGeneration, BlipProcessor

        quiet_libraries()
        name = str(request.captioner)
        try:
            self._processor = BlipProcessor.from_pretrained(name)
            model, info = BlipForConditionalGeneration.from_pretrained(
                name, dtype=torch.float32, use_safetensors=True, output_loading_info=True
            )
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            told = (str(error).splitlines() or [type(error).__name__])[0]
            raise DataError(
                f"captioner={name}: cannot be loaded as a BLIP model ({told})"
            ) from error
        check_loading(f"captioner={name}", info)
        self._model: Any = model.to(device).eval()
        self._device = device
        self._settings = {
            "num_beams": request.num_beams,
            "min_new_tokens": request.min_new_tokens,
            "max_new_tokens": request.max_new_tokens,
        }

    def __call__(self, image: Image.Image) -> str:
        """What the model says of a picture."""
        import torch

        given = self._processor(images=image, return_tensors="pt").to(self._device)
        with torch.no_grad():
            tokens = self._model.generate(**given, **self._settings)
        text: str = self._processor.decode(tokens[0], skip_special_tokens=True)
        return " ".join(text.split())


def write_captions(dataset: AbstractDataset, request: PrepareRequest, device: str) -> str:
    """Give each picture without a caption one; what was done, in words.

    Each is written at once, so that a kill loses none, and a damaged picture stops no other.
    """
    without = dataset.uncaptioned()
    pictures = without.pictures
    if not pictures:
        return "captions: every picture has one already"
    caption_of = Captioner(request, device)
    written = 0
    bad: list[Path] = []
    progress = Progress("writing captions", len(pictures), 0, True, unit="picture")
    for picture in pictures:
        check_interrupt()
        try:
            caption = caption_of(read_picture(picture).image)
        except BadPicture as fault:
            say(f"{picture}: {fault.reason}")
            bad.append(picture)
        else:
            if caption:
                without.add(picture, caption)
                written += 1
        progress.advance("")
    progress.close()
    left = len(pictures) - written
    rest = f"; {left} got none, {len(bad)} of them damaged" if left else ""
    return f"captions: {written} written by {Path(str(request.captioner)).name}{rest}"
