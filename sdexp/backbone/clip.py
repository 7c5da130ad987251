"""Both towers of a CLIP model."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from sdexp.backbone.base import (
    AbstractBackbone,
    Gift,
    LoadedBackbone,
    check_kind,
    check_pictures,
    exactly,
)
from sdexp.ground.applied import check_loading
from sdexp.ground.assets import check_weights, is_embedded, located
from sdexp.ground.errors import DataError
from sdexp.ground.fingerprints import network_sha256, settings_sha256, tokenizer_sha256
from sdexp.ground.quiet import quiet_libraries

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer


@dataclass(frozen=True)
class Clip(AbstractBackbone):
    """A CLIP model (Radford et al. 2021, arXiv 2103.00020).

    images, texts: the projected embeddings, not normalised.

    `pretrained_model_name_or_path` is an embedded name ("pocket-clip"), a local folder or a Hub id.
    """

    gives: ClassVar[frozenset[Gift]] = frozenset({"images", "texts", "projection"})

    pretrained_model_name_or_path: str

    @property
    def name(self) -> str:
        return self.pretrained_model_name_or_path

    @property
    def is_embedded(self) -> bool:
        return is_embedded(self.name)

    @property
    def width(self) -> int:
        from transformers import CLIPConfig

        width: int = CLIPConfig.from_pretrained(located(self.name)).projection_dim
        return width

    @property
    def text_width(self) -> int:
        from transformers import CLIPConfig

        width: int = CLIPConfig.from_pretrained(located(self.name)).text_config.hidden_size
        return width

    def check(self, key: str, reachable: bool) -> None:
        check_weights(key, self.name, "config.json", reachable)

    def start(self, device: str) -> LoadedBackbone:
        import torch
        from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

        quiet_libraries()
        path = located(self.name)
        try:
            check_kind(self.name, path, "clip")
            model, info = CLIPModel.from_pretrained(
                path, dtype=torch.float32, use_safetensors=True, output_loading_info=True
            )
            tokenizer = CLIPTokenizer.from_pretrained(path)
            processor = CLIPImageProcessor.from_pretrained(path)
        except (OSError, ValueError, RuntimeError) as error:
            raise DataError(
                f"backbone={self.name}: cannot be loaded ({str(error).splitlines()[0]}); name a "
                "CLIP folder or Hub id with model.safetensors, tokenizer and "
                "preprocessor_config.json"
            ) from error
        check_loading(f"backbone={self.name}", info)
        _check_end_token(self.name, model, tokenizer)
        torch.nn.Module.to(model, device).requires_grad_(False)
        return LoadedClip(self.name, model, tokenizer, processor)


class LoadedClip(LoadedBackbone):
    """A CLIP model in float32 with its own tokenizer and picture processor."""

    def __init__(
        self,
        name: str,
        model: CLIPModel,
        tokenizer: CLIPTokenizer,
        processor: CLIPImageProcessor,
    ) -> None:
        self.name = name
        self.model = model
        self.tokenizer = tokenizer
        self.processor = processor
        parts = (
            network_sha256(model, model.config.to_dict()),
            tokenizer_sha256(tokenizer),
            settings_sha256(processor.to_dict()),
        )
        self.sha256 = hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def images(self, pictures: np.ndarray) -> np.ndarray:
        check_pictures(pictures)
        with exactly():
            embedded = self.model.get_image_features(pixel_values=self._pixels(pictures))
        features: np.ndarray = embedded.pooler_output.double().cpu().numpy()
        return features

    def texts(self, texts: list[str]) -> np.ndarray:
        """A text longer than the text tower is cut before its end token, where CLIP pools."""
        tokens = self.tokenizer(
            texts,
            padding="max_length",
            truncation=True,
            max_length=self._longest,
            return_tensors="pt",
        ).to(self.model.device)
        with exactly():
            embedded = self.model.get_text_features(**tokens)
        features: np.ndarray = embedded.pooler_output.double().cpu().numpy()
        return features

    def project(self, states: Tensor) -> Tensor:
        projected: Tensor = self.model.text_projection(states)
        return projected

    @property
    def scale(self) -> float:
        return float(self.model.logit_scale.exp())

    def overlong(self, texts: list[str]) -> int:
        lengths = [len(ids) for ids in self.tokenizer(texts).input_ids]
        return sum(length > self._longest for length in lengths)

    @property
    def _longest(self) -> int:
        """Tokens, with those of beginning and end."""
        return int(self.model.config.text_config.max_position_embeddings)

    def _pixels(self, pictures: np.ndarray) -> Tensor:
        pixels: Tensor = self.processor(
            images=list(pictures), input_data_format="channels_last", return_tensors="pt"
        ).pixel_values
        return pixels.to(self.model.device)


def _check_end_token(name: str, model: CLIPModel, tokenizer: CLIPTokenizer) -> None:
    # Old configs say 2 and transformers then pools at the highest token number.
    pooled = model.config.text_config.eos_token_id
    expected = len(tokenizer) - 1 if pooled == 2 else pooled
    if tokenizer.eos_token_id != expected:
        raise DataError(
            f"backbone={name}: the text tower reads token {expected}, but the tokenizer ends "
            f"with {tokenizer.eos_token_id}; set eos_token_id in the folder's config.json"
        )
