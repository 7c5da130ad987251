"""Text sides of the Stable Diffusion families: from prompts to a condition."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdexp.model.base import TEXT_PREFIX, Component, Condition, Framing
from sdexp.model.single_file import XL, family_by

if TYPE_CHECKING:
    from torch import Tensor

    from sdexp.model.text_memory import TextMemory

FILE = "model.safetensors"


@dataclass(frozen=True)
class AbstractTextSide(ABC):
    """Text encoders and tokenizers by the names of their folders.

    memory: where outputs are kept, of encoders that do not train.
    """

    encoders: dict[str, Any]
    tokenizers: dict[str, Any]
    memory: TextMemory | None = None

    @property
    @abstractmethod
    def family(self) -> str:
        """The family by its name, as single files of it are told apart."""

    @abstractmethod
    def encode(self, prompts: list[str], framings: list[Framing]) -> Condition:
        """The condition of B samples; prompts are cut at the tokenizer's length."""

    @abstractmethod
    def inputs(self, prompts: list[str], negative_prompt: str) -> dict[str, Tensor]:
        """What the family's pipeline of diffusers takes in place of B prompts, each [B, ...].

        The negative prompt is read once for all; "" stands for none.
        """

    def outputs(self, prompts: list[str]) -> tuple[Tensor, ...]:
        """What the family takes from its encoders, each [B, ...]."""
        import torch

        every = [token_ids(tokenizer, prompts) for tokenizer in self.tokenizers.values()]
        device = self.encoders["text_encoder"].device
        ids = torch.stack(every, dim=1).to(device)
        return self.compute(ids) if self.memory is None else self.memory(ids, self.compute)

    @abstractmethod
    def compute(self, ids: Tensor) -> tuple[Tensor, ...]:
        """`outputs` of token ids [B, encoders, L]."""

    def pooled(self, prompts: list[str]) -> Tensor:
        """The first encoder's states at the end tokens, after its last norm, [B, w]."""
        encoder = self.encoders["text_encoder"]
        tokens = token_ids(self.tokenizers["tokenizer"], prompts).to(encoder.device)
        states: Tensor = encoder(tokens).pooler_output
        return states

    def overlong(self, prompts: list[str]) -> int:
        """How many of the prompts have more tokens than an encoder reads."""
        return sum(are_overlong(self.tokenizers, prompts))

    def added(self, condition: Condition) -> dict[str, Tensor] | None:
        """What the U-Net takes beside the states."""
        return None

    @abstractmethod
    def components(self) -> dict[str, Component]:
        """The text encoders, and where they lie in files."""


@dataclass(frozen=True)
class OneEncoder(AbstractTextSide):
    """The last states of one encoder, after its last norm (Stable Diffusion 1 and 2)."""

    @property
    def family(self) -> str:
        return family_by(self.encoders["text_encoder"].config.hidden_act)

    def encode(self, prompts: list[str], framings: list[Framing]) -> Condition:
        (states,) = self.outputs(prompts)
        return Condition(states)

    def inputs(self, prompts: list[str], negative_prompt: str) -> dict[str, Tensor]:
        (states,) = self.outputs(prompts)
        (negative,) = self.outputs([negative_prompt])
        return {
            "prompt_embeds": states,
            "negative_prompt_embeds": negative.expand_as(states),
        }

    def compute(self, ids: Tensor) -> tuple[Tensor, ...]:
        return (self.encoders["text_encoder"](ids[:, 0]).last_hidden_state,)

    def components(self) -> dict[str, Component]:
        one = _component("text_encoder", self.encoders, TEXT_PREFIX, "lora_te_")
        return {"text_encoder": one}


@dataclass(frozen=True)
class TwoEncoders(AbstractTextSide):
    """States before the last layer of both, side by side; the second's pooled ones, and sizes.

    Podell et al. 2023 (arXiv 2307.01952, sections 2.1 and 2.2).
    """

    @property
    def family(self) -> str:
        return XL

    def encode(self, prompts: list[str], framings: list[Framing]) -> Condition:
        import torch

        states, pooled = self.outputs(prompts)
        sizes = [[*f.original_size, *f.top_left, *f.target_size] for f in framings]
        return Condition(states, pooled, torch.tensor(sizes, device=states.device))

    def inputs(self, prompts: list[str], negative_prompt: str) -> dict[str, Tensor]:
        """Without a negative prompt its states are zeros (as the family's pipeline has it)."""
        import torch

        states, pooled = self.outputs(prompts)
        if negative_prompt:
            negative, pooled_negative = self.outputs([negative_prompt])
        else:
            negative, pooled_negative = (torch.zeros_like(part[:1]) for part in (states, pooled))
        return {
            "prompt_embeds": states,
            "negative_prompt_embeds": negative.expand_as(states),
            "pooled_prompt_embeds": pooled,
            "negative_pooled_prompt_embeds": pooled_negative.expand_as(pooled),
        }

    def compute(self, ids: Tensor) -> tuple[Tensor, ...]:
        import torch

        pairs = zip(self.encoders.values(), ids.unbind(1), strict=True)
        first, second = (encoder(own, output_hidden_states=True) for encoder, own in pairs)
        states = torch.cat([first.hidden_states[-2], second.hidden_states[-2]], dim=-1)
        return states, second.text_embeds

    def added(self, condition: Condition) -> dict[str, Tensor] | None:
        assert condition.pooled is not None and condition.sizes is not None
        sizes = condition.sizes.to(condition.pooled.dtype)
        return {"text_embeds": condition.pooled, "time_ids": sizes}

    def components(self) -> dict[str, Component]:
        first = self.encoders["text_encoder"]
        last = f"encoder.layers.{first.config.num_hidden_layers - 1}."
        return {
            "text_encoder": _component(
                "text_encoder",
                self.encoders,
                TEXT_PREFIX,
                "lora_te1_",
                unread=(last, "final_layer_norm."),
            ),
            # Its class has the prefix itself.
            "text_encoder_2": _component("text_encoder_2", self.encoders, "", "lora_te2_"),
        }


def _component(
    name: str, encoders: dict[str, Any], prefix: str, flat: str, unread: tuple[str, ...] = ()
) -> Component:
    encoder = encoders[name]
    return Component(
        module=encoder,
        file=Path(name) / FILE,
        tensor_prefix=prefix,
        adapter_prefix=f"{name}.{prefix}",
        settings=encoder.config.to_json_string(),
        unread=unread,
        flat_prefix=f"{flat}text_model_",
    )


def are_overlong(tokenizers: Mapping[str, Any], prompts: list[str]) -> list[bool]:
    """Of each prompt whether it has more tokens than an encoder reads."""
    limits = [(one, one.model_max_length) for one in tokenizers.values()]
    # A token is a character or more, and two stand around them.
    least = min(limit for _, limit in limits) - 2
    long = [prompt for prompt in prompts if len(prompt) > least]
    if not long:
        return [False] * len(prompts)
    lengths = [[len(ids) > limit for ids in one(long).input_ids] for one, limit in limits]
    over = {prompt: any(each) for prompt, *each in zip(long, *lengths, strict=True)}
    return [prompt in over and over[prompt] for prompt in prompts]


def token_ids(tokenizer: Any, prompts: list[str]) -> Tensor:
    """int64 [B, L]; a longer prompt is cut before its end token."""
    ids: Tensor = tokenizer(
        prompts,
        padding="max_length",
        max_length=tokenizer.model_max_length,
        truncation=True,
        return_tensors="pt",
    ).input_ids
    return ids
