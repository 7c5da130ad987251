"""The embedded model, loaded afresh, and adapters for it."""

from typing import Any

from sdexp.finetune.lora import InitialA, Lora
from sdexp.model.base import LoadedModel
from tests.checkpoints import recipe

TARGETS = ["to_q", "to_k", "to_v", "to_out.0", "q_proj", "v_proj"]


def original() -> LoadedModel:
    return recipe().load("cpu")


def lora(components: list[str], **changes: Any) -> Lora:
    """Adapters of rank 2 on attention layers, but for the changes."""
    values: dict[str, Any] = {
        "rank": 2,
        "lora_alpha": 2.0,
        "lora_dropout": 0.0,
        "target_modules": TARGETS,
        "use_dora": False,
        "use_rslora": False,
        "init_lora_weights": InitialA.gaussian,
        "rank_pattern": {},
        "alpha_pattern": {},
    }
    return Lora(components, **(values | changes))
