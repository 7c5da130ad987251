"""A BLIP model of a few thousand random weights, as its folder lies on the Hub."""

from pathlib import Path

import torch
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessor,
    BlipProcessor,
)

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[DEC]", "[ENC]"]
WORDS += ["a", "dog", "red", "vase", "rocket", "on", "the", "grass", "cup"]
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}


def save_blip(folder: Path) -> Path:
    """Write model and processor."""
    vocabulary = folder / "vocab.txt"
    folder.mkdir(parents=True)
    vocabulary.write_text("\n".join(WORDS))
    text = SMALL | {
        "vocab_size": len(WORDS),
        "intermediate_size": 32,
        "encoder_hidden_size": 16,
        "bos_token_id": WORDS.index("[DEC]"),
        "eos_token_id": WORDS.index("[SEP]"),
        "sep_token_id": WORDS.index("[SEP]"),
        "pad_token_id": WORDS.index("[PAD]"),
    }
    vision = SMALL | {"intermediate_size": 32, "image_size": 32, "patch_size": 16}
    torch.manual_seed(3)
    config = BlipConfig(text_config=text, vision_config=vision, image_text_hidden_size=16)
    model = BlipForConditionalGeneration(config).eval()
    model.save_pretrained(folder)
    images = BlipImageProcessor(size={"height": 32, "width": 32})
    BlipProcessor(
        images, BertTokenizer(str(vocabulary), additional_special_tokens=["[DEC]"])
    ).save_pretrained(folder)
    return folder
