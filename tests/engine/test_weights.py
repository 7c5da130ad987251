from pathlib import Path

import pytest

from sdexp.engine.weights import apply_weights
from sdexp.finetune.whole import Whole
from sdexp.ground.errors import DataError
from sdexp.ground.run import RunFolder
from tests.finetune.pocket import original


def test_weights_come_with_a_proof_or_not_at_all(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    strategy = Whole(["text_encoder"], {}, None)
    strategy.save(original(), run.weights)
    with pytest.raises(DataError, match=f"{run.weights}: all .* equal the original's"):
        apply_weights(strategy, original(), run.weights)
    changed = original()
    next(iter(changed.modules()["text_encoder"].parameters())).data += 1
    strategy.save(changed, run.weights)
    model = original()
    before = model.fingerprints()
    restored = apply_weights(strategy, model, run.weights)
    assert restored.applied.changed == 1 and model.fingerprints() != before
    restored.undo()
    assert model.fingerprints() == before
