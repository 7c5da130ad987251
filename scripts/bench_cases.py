"""What `bench.py` compares: flags of diffusers' scripts, and the same in our words."""

from dataclasses import dataclass

EPOCHS = 10
PICTURES = 11
FILES = {
    "train_text_to_image_lora": "pytorch_lora_weights.safetensors",
    "train_text_to_image": "unet/diffusion_pytorch_model.safetensors",
}


@dataclass(frozen=True)
class Script:
    """A command of diffusers' script `name`."""

    name: str
    flags: str
    steps: int

    @property
    def file(self) -> str:
        """Where its weights lie in its output."""
        return FILES[self.name]


@dataclass(frozen=True)
class Ours:
    """A command of ours; file: where its weights lie; is_cold: with an empty store."""

    words: str
    steps: int
    file: str
    is_cold: bool = False


@dataclass(frozen=True)
class Case:
    """Two commands; figure: `step`, `total` or `peak`, of which the ratio is taken."""

    title: str
    script: Script
    ours: Ours
    figure: str


LORA = "train_text_to_image_lora"
UNET = "train_text_to_image"
ALL = EPOCHS * PICTURES
LORA_FLAGS = "--rank=4 --learning_rate=1e-4"
UNET_FLAGS = "--use_ema --learning_rate=1e-5"
SAVING = "--gradient_checkpointing"
BF16 = "--mixed_precision=bf16"
OUR_LORA = "finetune=lora finetune.rank=4 finetune.lora_alpha=4 optimizer.lr=1e-4"
OUR_UNET = "finetune=unet optimizer.lr=1e-5 training.use_ema=true training.ema_decay=0.9999"
OUR_SAVING = "hardware.gradient_checkpointing=true"
HALF = "hardware.mixed_precision=bf16 hardware.frozen_dtype=bf16"
IN_BACKWARD = "hardware.optimizer_in_backward=true training.max_grad_norm=null"

CASES = {
    "lora": Case(
        "LoRA, float32 both, a step",
        Script(LORA, LORA_FLAGS, ALL),
        Ours(OUR_LORA, ALL, FILES[LORA]),
        "step",
    ),
    "lora_best": Case(
        "LoRA, ours in bf16, 10 epochs",
        Script(LORA, LORA_FLAGS, ALL),
        Ours(f"{OUR_LORA} {HALF}", ALL, FILES[LORA]),
        "total",
    ),
    "lora_bf16": Case(
        "LoRA, bf16 both, 10 epochs",
        Script(LORA, f"{LORA_FLAGS} {BF16}", ALL),
        Ours(f"{OUR_LORA} {HALF}", ALL, FILES[LORA]),
        "total",
    ),
    "unet": Case(
        "whole U-Net with EMA, float32 and checkpointing both, a step",
        Script(UNET, f"{UNET_FLAGS} {SAVING}", PICTURES),
        Ours(f"{OUR_UNET} {OUR_SAVING}", PICTURES, FILES[UNET]),
        "step",
    ),
    "unet_best": Case(
        "whole U-Net with EMA, ours in bf16, script as its README has it, a step",
        Script(UNET, f"{UNET_FLAGS} {SAVING}", PICTURES),
        Ours(f"{OUR_UNET} {HALF}", PICTURES, FILES[UNET]),
        "step",
    ),
    "unet_tuned": Case(
        "whole U-Net with EMA, bf16 both, script with its best flags, a step",
        Script(UNET, f"{UNET_FLAGS} {BF16} --foreach_ema --dataloader_num_workers=1", PICTURES),
        Ours(f"{OUR_UNET} {HALF}", PICTURES, FILES[UNET]),
        "step",
    ),
    "lora_cold": Case(
        "LoRA, float32 both, 1 epoch, empty store",
        Script(LORA, LORA_FLAGS, PICTURES),
        Ours(OUR_LORA, PICTURES, FILES[LORA], is_cold=True),
        "total",
    ),
    "lora_bf16_cold": Case(
        "LoRA, bf16 both, 1 epoch, empty store",
        Script(LORA, f"{LORA_FLAGS} {BF16}", PICTURES),
        Ours(f"{OUR_LORA} {HALF}", PICTURES, FILES[LORA], is_cold=True),
        "total",
    ),
    "unet_cold": Case(
        "whole U-Net with EMA, float32 and checkpointing both, 1 epoch, empty store",
        Script(UNET, f"{UNET_FLAGS} {SAVING}", PICTURES),
        Ours(f"{OUR_UNET} {OUR_SAVING}", PICTURES, FILES[UNET], is_cold=True),
        "total",
    ),
    "unet_memory": Case(
        "whole U-Net with EMA, float32 and checkpointing both, peak memory",
        Script(UNET, f"{UNET_FLAGS} {SAVING}", PICTURES),
        Ours(f"{OUR_UNET} {OUR_SAVING}", PICTURES, FILES[UNET]),
        "peak",
    ),
    "unet_in_backward": Case(
        "the same, ours with steps within the backward pass and no clipping, peak memory",
        Script(UNET, f"{UNET_FLAGS} {SAVING}", PICTURES),
        Ours(f"{OUR_UNET} {OUR_SAVING} {IN_BACKWARD}", PICTURES, FILES[UNET]),
        "peak",
    ),
}
# Fills the store.
WARM_UP = Ours(OUR_LORA, PICTURES, FILES[LORA])


def commands(names: list[str]) -> list[Script | Ours]:
    """Those of these cases, each once, ours after the script that it is first compared with."""
    both = [command for name in names for command in (CASES[name].script, CASES[name].ours)]
    return list(dict.fromkeys(both))
