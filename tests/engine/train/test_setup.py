from typing import Any

import pytest

from tests.engine.train.runs import losses


@pytest.mark.parametrize("strategy", ["unet", "text_encoder"])
def test_gradient_checkpointing_changes_no_number(train: Any, strategy: str) -> None:
    plain = train("plain", f"finetune={strategy}")
    saving = train("saving", f"finetune={strategy}", "hardware.gradient_checkpointing=true")
    assert losses(saving) == pytest.approx(losses(plain), rel=1e-6)
