import subprocess
import sys
from collections.abc import Callable

import pytest

from sdexp.ground.errors import ConfigError
from sdexp.launch.compose import compose
from sdexp.optimizer.sgd import Sgd
from sdexp.recipes import Recipes, build_recipes


def test_all_faults_of_the_sections_are_told_at_once() -> None:
    wrong = ["finetune.rank=0", "objective.snr_gamma=-1", "optimizer.lr=-2", "evaluation.seed=-1"]
    with pytest.raises(ConfigError) as caught:
        build_recipes(compose("train", wrong).config)
    lines = str(caught.value).splitlines()
    assert [line.split("=")[0] for line in lines] == [
        "finetune.rank", "objective.snr_gamma", "optimizer.lr", "evaluation.seed",
    ]  # fmt: skip


def test_recipes_are_what_the_files_say(recipes: Callable[..., Recipes]) -> None:
    made = recipes("finetune.rank=3", "optimizer=sgd", "optimizer.lr=0.5")
    assert made.finetune.rank == 3  # type: ignore[attr-defined]
    assert isinstance(made.optimizer, Sgd) and made.optimizer.lr == 0.5
    assert {name: metric.backbone for name, metric in made.judging.metrics.items()} == {
        "kid": "efficientnet_lite0",
        "fd": "efficientnet_lite0",
        "clip_score": "clip",
        "lpips_gt": "alexnet",
    }
    assert made.judging.backbones["clip"].name == "pocket-clip"


@pytest.mark.parametrize(
    "word, key",
    [
        ("training.max_grad_norm=1.0", "training.max_grad_norm=1.0: allowed .* is null"),
        ("training.gradient_accumulation_steps=2", "gradient_accumulation_steps=2: .* is 1"),
        ("hardware.num_processes=2", "hardware.num_processes=2: allowed .* is 1"),
        ("hardware.mixed_precision=fp16", "mixed_precision=fp16: allowed .* no or bf16"),
    ],
)
def test_what_needs_all_gradients_excludes_steps_within_the_backward_pass(
    recipes: Callable[..., Recipes], word: str, key: str
) -> None:
    words = ["hardware.optimizer_in_backward=true", "training.max_grad_norm=null"]
    recipes(*words).check_training()
    with pytest.raises(ConfigError, match=key):
        recipes(*words, word).check_training()


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["finetune=text_encoder", "objective=clip_contrastive", "dataset.num_train=40"],
        ["model=sd14", "model.weights=random", "evaluation=none", "hardware.device=cpu"],
    ],
)
def test_what_is_asked_for_is_checked_before_torch_loads(words: list[str]) -> None:
    """A second of every command, and of every job of a sweep."""
    code = (
        "import sys\n"
        "from sdexp.launch.compose import compose_run\n"
        "from sdexp.launch.door import look_first\n"
        "from sdexp.recipes import build_recipes\n"
        "recipes = build_recipes(compose_run(sys.argv[1:]).config)\n"
        "recipes.check_training()\n"
        "look_first(recipes)\n"
        "print([name for name in ('torch', 'diffusers', 'transformers') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
