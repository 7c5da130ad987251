"""The shipped architectures are the published ones."""

import pytest
import torch

from sdexp.model.architecture import architectures, new_network, published_tokenizer

SD1 = {"unet": 859_520_964, "vae": 83_653_863, "text_encoder": 123_060_480}
SD2 = {"unet": 865_910_724, "vae": 83_653_863, "text_encoder": 340_387_840}
SDXL = {
    "unet": 2_567_463_684,
    "vae": 83_653_863,
    "text_encoder": 123_060_480,
    "text_encoder_2": 694_659_840,
}
TOTALS = {
    "sd1": SD1,
    "sd2": SD2,
    "sd2_base": SD2,
    "sd_turbo": SD2,
    "sdxl": SDXL,
    "sdxl_turbo": SDXL,
}


@pytest.mark.parametrize("architecture", TOTALS)
def test_networks_have_as_many_weights_as_published(architecture: str) -> None:
    assert set(architectures()) == set(TOTALS)
    for name, total in TOTALS[architecture].items():
        with torch.device("meta"):
            network = new_network(architecture, name)
        assert sum(p.numel() for p in network.parameters()) == total, name


def test_the_tokenizer_is_that_of_clip() -> None:
    """Tokens that its authors' own tokenizer gives."""
    tokenizer = published_tokenizer("sd1", "tokenizer")
    assert len(tokenizer) == 49_408
    cat = [49406, 320, 1125, 539, 320, 2368, 49407]
    assert tokenizer("a photo of a cat").input_ids == cat
    assert tokenizer("A  photo of a CAT").input_ids == cat
    assert tokenizer("café").input_ids == [49406, 15304, 49407]
    padded = tokenizer("a", padding="max_length").input_ids
    assert padded == [49406, 320, *[49407] * 75]


@pytest.mark.parametrize("architecture, name", [("sd2", "tokenizer"), ("sdxl", "tokenizer_2")])
def test_later_tokenizers_pad_with_an_exclamation_mark(architecture: str, name: str) -> None:
    padded = published_tokenizer(architecture, name)("a", padding="max_length").input_ids
    assert padded == [49406, 320, 49407, *[0] * 74]
