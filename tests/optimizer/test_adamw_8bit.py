import importlib.util
from dataclasses import asdict
from typing import Any

import pytest
import torch

from sdexp.ground.errors import ConfigError
from sdexp.launch.compose import compose
from sdexp.optimizer.adamw_8bit import AdamW8bit
from sdexp.recipes import build_recipes
from tests.optimizer.stepping import WRONG, parameter, steps

ADAMW = AdamW8bit(1e-2, [0.9, 0.99], 1e-7, 0.1)


@pytest.mark.parametrize("wrong", WRONG)
def test_values_out_of_range_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"optimizer.{next(iter(wrong))}="):
        AdamW8bit(**(asdict(ADAMW) | wrong))


@pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed"
)
def test_a_missing_package_is_one_line_with_the_command() -> None:
    recipes = build_recipes(compose("train", ["optimizer=adamw_8bit"]).config)
    with pytest.raises(ConfigError, match=r"pip install 'sdexp\[optim\]'"):
        recipes.check_files()


def test_eight_bits_come_near_to_thirty_two() -> None:
    pytest.importorskip("bitsandbytes")
    ours, theirs = parameter(), parameter()
    made = ADAMW.build([{"params": [ours], "lr": 1e-2, "name": ""}], "cpu")
    plain = torch.optim.AdamW([theirs], 1e-2, (0.9, 0.99), 1e-7, 0.1)
    torch.testing.assert_close(steps(made, ours), steps(plain, theirs), rtol=1e-2, atol=1e-3)
