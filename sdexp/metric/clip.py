"""The CLIP model behind the metrics: loaded once, fed with uint8 pictures in fixed batches."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from sdexp.ground.assets import located
from sdexp.ground.errors import DataError
from sdexp.metric.base import AbstractExtractor

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

BATCH_SIZE = 32


@dataclass(frozen=True, eq=False)
class Clip:
    """A CLIP model in float32 with its own tokenizer and picture processor."""

    model: CLIPModel
    tokenizer: CLIPTokenizer
    processor: CLIPImageProcessor
    max_tokens: int

    def embed_images(self, images: np.ndarray) -> np.ndarray:
        """float64 [N, d], the projected embeddings, not normalised; images: uint8 [N, H, W, 3]."""
        check_pictures(images)
        with _exact():
            parts = [
                self.model.get_image_features(pixel_values=self._pixels(part)).pooler_output
                for part in batches(images)
            ]
        return np.concatenate([part.double().cpu().numpy() for part in parts])

    def embed_texts(self, prompts: list[str]) -> np.ndarray:
        """float64 [N, d], the projected embeddings, not normalised.

        A prompt longer than the text tower is cut before its end token, where CLIP pools.
        """
        parts = []
        for start in range(0, len(prompts), BATCH_SIZE):
            tokens = self.tokenizer(
                prompts[start : start + BATCH_SIZE],
                padding="max_length",
                truncation=True,
                max_length=self.max_tokens,
                return_tensors="pt",
            ).to(self.model.device)
            with _exact():
                parts.append(self.model.get_text_features(**tokens).pooler_output)
        return np.concatenate([part.double().cpu().numpy() for part in parts])

    def patch_layers(self, images: np.ndarray) -> list[Tensor]:
        """The patch tokens [N, patches, channels] after each layer of the vision tower.

        images: uint8 [N, H, W, 3], one batch.
        """
        check_pictures(images)
        with _exact():
            states = self.model.vision_model(
                pixel_values=self._pixels(images), output_hidden_states=True
            ).hidden_states
        return [state[:, 1:] for state in states[1:]]

    def _pixels(self, images: np.ndarray) -> Tensor:
        pixels: Tensor = self.processor(
            images=list(images), input_data_format="channels_last", return_tensors="pt"
        ).pixel_values
        return pixels.to(self.model.device)


@final
@dataclass(frozen=True)
class EmbeddingExtractor(AbstractExtractor):
    """Picture embeddings as features of a distribution; prompts and references play no part."""

    clip: Clip

    def features(
        self, images: np.ndarray, prompts: list[str], references: np.ndarray | None
    ) -> np.ndarray:
        """float64 [N, d] of images, uint8 [N, H, W, 3]."""
        return self.clip.embed_images(images)


@functools.cache
def load_clip(backbone: str, device: str) -> Clip:
    """The model of an embedded scorer, a local folder or a Hub id; the same object every time.

    Raises `DataError` where there are no weights as safetensors, and where tokenizer and model
    disagree about the end token.
    """
    import torch
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTextConfig, CLIPTokenizer

    path = located(backbone)
    try:
        model = CLIPModel.from_pretrained(path, dtype=torch.float32, use_safetensors=True)
        tokenizer = CLIPTokenizer.from_pretrained(path)
        processor = CLIPImageProcessor.from_pretrained(path)
    except OSError as error:
        raise DataError(
            f"backbone={backbone}: cannot be loaded ({str(error).splitlines()[0]}); name a CLIP "
            "folder or Hub id with model.safetensors, tokenizer and preprocessor_config.json in "
            "evaluation.scorer"
        ) from error
    torch.nn.Module.to(model, device)
    text = model.config.text_config
    assert isinstance(text, CLIPTextConfig)
    _check_end_token(backbone, text.eos_token_id, tokenizer)
    return Clip(model, tokenizer, processor, text.max_position_embeddings)


def batches(array: np.ndarray) -> Iterator[np.ndarray]:
    """Consecutive slices of at most `BATCH_SIZE` rows."""
    return (array[start : start + BATCH_SIZE] for start in range(0, len(array), BATCH_SIZE))


def check_pictures(images: np.ndarray) -> None:
    """Raise `ValueError` unless images are uint8 [N, H, W, 3].

    The processor divides by 255 whatever it is given: floats would silently become near black.
    """
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or not len(images):
        raise ValueError(
            f"pictures of type {images.dtype} and shape {images.shape}; must be uint8 [N, H, W, 3]"
        )


def _check_end_token(backbone: str, pooled: object, tokenizer: CLIPTokenizer) -> None:
    # Old configs say 2 and transformers then pools at the highest token number.
    expected = len(tokenizer) - 1 if pooled == 2 else pooled
    if tokenizer.eos_token_id != expected:
        raise DataError(
            f"backbone={backbone}: the text tower reads token {expected}, but the tokenizer ends "
            f"with {tokenizer.eos_token_id}; set eos_token_id in the folder's config.json"
        )


@contextmanager
def _exact() -> Iterator[None]:
    import torch

    # cuDNN may otherwise round the patch embedding to TF32 or choose another algorithm each time.
    with (
        torch.inference_mode(),
        torch.backends.cudnn.flags(
            enabled=True, benchmark=False, deterministic=True, allow_tf32=False
        ),
    ):
        yield
