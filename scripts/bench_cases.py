"""What `bench.py` compares: flags of diffusers' scripts, and the same in our words."""

from dataclasses import dataclass

EPOCHS = 10
PICTURES = 11
LORA, UNET = "train_text_to_image_lora", "train_text_to_image"
LORA_FILE = "pytorch_lora_weights.safetensors"
UNET_FILE = "unet/diffusion_pytorch_model.safetensors"
MATCHED = "optimizer.lr=1e-4 scheduler=constant training.max_grad_norm=1.0 finetune=lora"
OUR_LORA = f"{MATCHED} finetune.rank=4 finetune.lora_alpha=4"
OUR_UNET = "finetune=unet optimizer.lr=1e-5 scheduler=constant training.use_ema=true"
OUR_UNET += " training.ema_decay=0.9999 training.max_grad_norm=1.0"
HALF = "hardware.mixed_precision=bf16 hardware.frozen_dtype=bf16"
BF16 = "--mixed_precision=bf16"
CHECKPOINTED = "hardware.gradient_checkpointing=true"
COLD = "cold"


@dataclass(frozen=True)
class Case:
    """What both sides are told; figure: `step`, `total` or `peak`, of which the ratio is taken."""

    title: str
    script: str
    flags: str
    ours: str
    steps: int
    figure: str
    store: str = "warm"

    @property
    def file(self) -> str:
        return LORA_FILE if self.script == LORA else UNET_FILE


ALL = EPOCHS * PICTURES
LORA_FLAGS = "--rank=4 --learning_rate=1e-4"
UNET_FLAGS = "--use_ema --gradient_checkpointing --learning_rate=1e-5"
TUNED = "--dataloader_num_workers=1"
CASES = {
    "lora": Case("LoRA, float32 both, a step", LORA, LORA_FLAGS, OUR_LORA, ALL, "step"),
    "lora_best": Case(
        "LoRA, our bf16, 10 epochs", LORA, LORA_FLAGS, f"{OUR_LORA} {HALF}", ALL, "total"
    ),
    "lora_bf16": Case(
        "LoRA, bf16 both, 10 epochs",
        LORA,
        f"{LORA_FLAGS} {BF16}",
        f"{OUR_LORA} {HALF}",
        ALL,
        "total",
    ),
    "lora_tuned": Case(
        "LoRA, bf16 both, script with workers, 10 epochs",
        LORA,
        f"{LORA_FLAGS} {BF16} {TUNED}",
        f"{OUR_LORA} {HALF}",
        ALL,
        "total",
    ),
    "unet": Case(
        "whole U-Net with EMA, float32 and checkpointing both, a step",
        UNET,
        UNET_FLAGS,
        f"{OUR_UNET} {CHECKPOINTED}",
        PICTURES,
        "step",
    ),
    "unet_best": Case(
        "whole U-Net with EMA, our bf16, a step",
        UNET,
        UNET_FLAGS,
        f"{OUR_UNET} {HALF}",
        PICTURES,
        "step",
    ),
    "unet_tuned": Case(
        "whole U-Net with EMA, bf16 both, script with its best flags, a step",
        UNET,
        f"{UNET_FLAGS.replace('--gradient_checkpointing ', '')} {BF16} {TUNED} --foreach_ema",
        f"{OUR_UNET} {HALF}",
        PICTURES,
        "step",
    ),
    "lora_cold": Case(
        "LoRA, float32 both, 1 epoch, empty store",
        LORA,
        LORA_FLAGS,
        OUR_LORA,
        PICTURES,
        "total",
        COLD,
    ),
    "lora_bf16_cold": Case(
        "LoRA, bf16 both, 1 epoch, empty store",
        LORA,
        f"{LORA_FLAGS} {BF16}",
        f"{OUR_LORA} {HALF}",
        PICTURES,
        "total",
        COLD,
    ),
    "unet_cold": Case(
        "whole U-Net with EMA, float32 both, 1 epoch, empty store",
        UNET,
        UNET_FLAGS,
        f"{OUR_UNET} {CHECKPOINTED}",
        PICTURES,
        "total",
        COLD,
    ),
    "unet_memory": Case(
        "whole U-Net with EMA, float32 both, peak memory",
        UNET,
        UNET_FLAGS,
        f"{OUR_UNET} {CHECKPOINTED}",
        4,
        "peak",
    ),
}
# Fills the store.
WARM_UP = Case("", LORA, "", OUR_LORA, PICTURES, "total")
