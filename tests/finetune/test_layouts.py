from pathlib import Path

import pytest
import torch

from sdexp.finetune.layouts import Place, cross_attention_widths, places, split_key
from tests.checkpoints import of

ATTENTION = "down_blocks.0.attentions.0.transformer_blocks.0.attn1"


@pytest.mark.parametrize(
    "key, layer, part",
    [
        (f"unet.{ATTENTION}.to_k.lora_A.weight", f"unet.{ATTENTION}.to_k", "down"),
        (f"{ATTENTION}.processor.to_out_lora.up.weight", f"{ATTENTION}.to_out.0", "up"),
        (f"base_model.model.{ATTENTION}.to_q.lora_B.weight", f"{ATTENTION}.to_q", "up"),
        ("lora_te_text_model_encoder_layers_0_mlp_fc1.alpha",
         "lora_te_text_model_encoder_layers_0_mlp_fc1", "alpha"),
        ("lora_unet_unet_conv_in.dora_scale", "lora_unet_conv_in", "magnitude"),
    ],
)  # fmt: skip
def test_a_name_tells_layer_and_part(key: str, layer: str, part: str) -> None:
    assert split_key(key) == (layer, part)


def test_other_names_are_none() -> None:
    assert split_key("<s1>") is None and split_key("unet:0:down") is None


def test_a_layer_is_found_by_each_of_its_spellings(folders: dict[str, Path]) -> None:
    found = places(of(folders, "sdxl").load("cpu"))
    query = "encoder.layers.1.self_attn.q_proj"
    for spelling in (f"text_encoder.{query}", f"text_encoder.text_model.{query}"):
        assert found[spelling] == Place("text_encoder", query)
    second = Place("text_encoder_2", f"text_model.{query}")
    assert found[f"text_encoder_2.{query}"] == second
    assert found[f"lora_te2_text_model_{query.replace('.', '_')}"] == second
    attention = "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q"
    flat = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_q"
    assert found[flat] == found[f"unet.{attention}"] == Place("unet", attention)
    assert not any(place.component == "vae" for place in found.values())


def test_widths_are_those_of_layers_that_read_the_prompt() -> None:
    tensors = {
        "unet.a.attn2.to_k.lora_A.weight": torch.ones(4, 768),
        "lora_unet_a_attn2_to_v.lora_down.weight": torch.ones(4, 768),
        "unet.a.attn1.to_k.lora_A.weight": torch.ones(4, 320),
    }
    assert set(cross_attention_widths(tensors).values()) == {768}
    assert len(cross_attention_widths(tensors)) == 2
