"""Ten losses of each strategy on the embedded model: float32, CPU, fixed seed.

A change that is not meant to change numbers must leave them as they are; one that is renews
them with `SDEXP_UPDATE_GOLDEN=1 python -m pytest tests/golden`.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from sdexp.ground.store import Store
from tests.records import logged
from tests.training import trainer_of

FILE = Path(__file__).parent / "losses.json"


@pytest.mark.parametrize("strategy", ["unet", "text_encoder", "lora"])
def test_losses_are_those_that_were_recorded(
    strategy: str, new_run: Any, recipes: Any, store: Store
) -> None:
    overrides = [
        f"finetune={strategy}", "hardware=cpu", "training.max_train_steps=10",
        "training.validation_images_steps=null", "training.gradient_accumulation_steps=2",
        "objective.snr_gamma=5.0", "objective.noise_offset=0.05", "training.random_flip=true",
    ]  # fmt: skip
    run = new_run(strategy, *overrides)
    trainer_of(run, recipes(*overrides), store).train()
    losses = [r["value"] for r in logged(run.log) if (r["split"], r["name"]) == ("train", "loss")]
    recorded = json.loads(FILE.read_text()) if FILE.exists() else {}
    if "SDEXP_UPDATE_GOLDEN" in os.environ:
        FILE.write_text(json.dumps(recorded | {strategy: losses}, indent=1) + "\n")
        pytest.skip("recorded anew")
    assert losses == pytest.approx(recorded[strategy], rel=1e-4)
