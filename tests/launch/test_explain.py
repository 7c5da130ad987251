"""Hints lead to the key that a person meant."""

import pytest

from sdexp.ground.errors import ConfigError
from sdexp.launch.compose import compose

HINTS = {
    "batch_size=4": "batch_size: no such key; did you mean 'training.train_batch_size'?",
    "training.lr=1e-4": "training.lr: no such key; did you mean 'optimizer.lr'?",
    "learning_rate=1e-4": "did you mean 'optimizer.lr'?",
    "finetune.r=4": "finetune.r: no such key; did you mean 'finetune.rank'?",
    "data_dir=x": "did you mean 'dataset.data_dir, with dataset=imagefolder'?",
    "epochs=3": "did you mean 'training.num_train_epochs'?",
    "model=stabilityai/sd-turbo": "a Hub id or a folder is set by "
    "model.pretrained_model_name_or_path=stabilityai/sd-turbo",
    "dataset=null": "dataset=null: nothing is chosen; name an option",
    "~training": "~training: cannot be left out",
    "~run_dir": "~run_dir: cannot be left out",
    "=3": "=3: cannot be read; values are given as key=value",
    "finetune.rank=[1": "cannot be read; quote the value: 'finetune.rank=\"[1\"'",
    "hardware.timeout=1e300": "hardware.timeout=1e+300: allowed is 3.2e+07 or less",
    "evaluation.num_inference_steps=1001": "num_inference_steps=1001: allowed is 1000 or less",
    "finetune.target_modules=[[to_q]]": "finetune.target_modules",
    "finetune.target_modules=to_q,to_k": "target_modules=to_q,to_k: a list is written [1,2]",
    "training.seed=null": "training.seed=null: needs a value",
    "~training.seed": "~training.seed: cannot be left out",
    "training=3": "training=3: holds other keys, such as training.",
    "+optimizer.amsgrad=true": "+optimizer.amsgrad: the key is there already; leave out the +",
    "objective.wight=1": "objective.wight: no such key; allowed: objective.",
    "finetune.rank_pattern.to_k=8": "no such key; it holds keys of your own: +finetune.rank_pat",
    "training.seed=1,2": "training.seed=1,2: several values are a sweep: add -m",
}


def test_the_key_is_one_of_the_chosen_option() -> None:
    with pytest.raises(ConfigError, match="did you mean 'dataset.where.style'"):
        compose("train", ["dataset=wikiart", "dataset.where.styl=Cubism"])


@pytest.mark.parametrize("override", HINTS)
def test_the_right_key_is_named(override: str) -> None:
    from sdexp.recipes import build_recipes

    with pytest.raises(ConfigError) as caught:
        build_recipes(compose("train", ["training.validation_steps=null", override]).config)
    message = str(caught.value)
    assert HINTS[override] in message and "\n" not in message
    assert "validation_steps" not in message, "what is right is not blamed"


def test_a_list_is_no_sweep_where_there_is_none() -> None:
    with pytest.raises(ConfigError, match=r"seeds=1,2: a list is written \[1,2\]"):
        compose("generate", ["run=x", "prompt=y", "seeds=1,2"])
    with pytest.raises(ConfigError, match=r"^seeds=1: a list is written \[1,2\]"):
        compose("generate", ["run=x", "prompt=y", "seeds=1"])
    with pytest.raises(ConfigError, match=r"^run=null: needs a value"):
        compose("generate", ["run=null", "prompt=y"])
