"""Weights from elsewhere, in every form that people have them in."""

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sdexp.finetune.base import write_component
from sdexp.finetune.formats import adapter_tensors, write_peft
from sdexp.finetune.given import Given
from sdexp.ground.applied import HARMLESS
from sdexp.ground.errors import ConfigError, DataError
from sdexp.model.base import LoadedModel
from tests.adapters import diffusers, peft, random_layers
from tests.checkpoints import of, recipe, tiny_checkpoint
from tests.finetune.pocket import lora
from tests.mutations import Mutations
from tests.original_layout import write_original

UNET_FILE = "diffusion_pytorch_model.safetensors"
ALL = ("unet", "text_encoder", "vae")


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of the same sizes and other weights."""
    return tiny_checkpoint(tmp_path_factory.mktemp("other") / "sd1", "sd1", seed=1)


@pytest.fixture
def original(folders: dict[str, Path]) -> LoadedModel:
    return of(folders, "sd1").load("cpu")


def only(other: Path, tmp_path: Path, *names: str) -> Path:
    for name in names:
        shutil.copytree(other / name, tmp_path / "w" / name)
    return tmp_path / "w"


def in_run(other: Path, tmp_path: Path) -> Path:
    shutil.copytree(other / "unet", tmp_path / "run" / "weights" / "unet")
    return tmp_path / "run"


def variant(other: Path, tmp_path: Path) -> Path:
    """Of two files the plain one counts."""
    folder = only(other, tmp_path, "unet")
    file = folder / "unet" / UNET_FILE
    half = {key: torch.zeros_like(tensor).half() for key, tensor in load_file(file).items()}
    save_file(half, folder / "unet" / "diffusion_pytorch_model.fp16.safetensors")
    return folder


def shards(other: Path, tmp_path: Path) -> Path:
    folder = only(other, tmp_path, "unet")
    file = folder / "unet" / UNET_FILE
    tensors = load_file(file)
    file.unlink()
    names = sorted(tensors)
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        save_file(
            {name: tensors[name] for name in part},
            folder / "unet" / f"diffusion_pytorch_model-{number:05d}-of-00002.safetensors",
        )
    return folder


def one_file(other: Path, tmp_path: Path) -> Path:
    """With the positions that published files carry."""
    file = tmp_path / "one.safetensors"
    write_original(file, recipe(str(other)).load("cpu").modules())
    positions = "cond_stage_model.transformer.text_model.embeddings.position_ids"
    save_file(load_file(file) | {positions: torch.arange(77)[None]}, file)
    return file


def saved_encoder(other: Path, tmp_path: Path) -> Path:
    """Under the names with a prefix, as this package and older libraries write them."""
    write_component(recipe(str(other)).load("cpu").components()["text_encoder"], tmp_path)
    return tmp_path / "text_encoder"


FORMS: dict[str, tuple[Callable[[Path, Path], Path], tuple[str, ...]]] = {
    "pipeline": (lambda other, tmp_path: other, ALL),
    "networks": (lambda other, tmp_path: only(other, tmp_path, "unet", "text_encoder"), ALL[:2]),
    "unet folder": (lambda other, tmp_path: other / "unet", ("unet",)),
    "text encoder folder": (lambda other, tmp_path: other / "text_encoder", ("text_encoder",)),
    "text encoder file": (
        lambda other, tmp_path: other / "text_encoder" / "model.safetensors",
        ("text_encoder",),
    ),
    "unet file": (lambda other, tmp_path: other / "unet" / UNET_FILE, ("unet",)),
    "run": (in_run, ("unet",)),
    "variant beside": (variant, ("unet",)),
    "saved text encoder": (saved_encoder, ("text_encoder",)),
    "shards": (shards, ("unet",)),
    "original layout": (one_file, ALL),
}


@pytest.mark.parametrize("form", FORMS)
def test_networks_of_every_form_are_put_in_and_out(
    form: str, other: Path, original: LoadedModel, tmp_path: Path
) -> None:
    make, names = FORMS[form]
    before = original.fingerprints()
    given = Given([], str(make(other, tmp_path)))
    given.check()
    restored = given.restore(original, tmp_path / "not looked at")
    restored.applied.check(form)
    expected = recipe(str(other)).load("cpu").fingerprints()
    found = original.fingerprints()
    for name in ALL:
        assert found[name] == (expected if name in names else before)[name], name
    tensors = [t for name in names for t in original.modules()[name].state_dict()]
    assert restored.applied.applied == len(tensors)
    restored.undo()
    assert original.fingerprints() == before


@pytest.mark.parametrize("layout", [diffusers, peft])
def test_adapters_are_found_in_their_folder(
    layout: Callable[..., Path], original: LoadedModel, tmp_path: Path
) -> None:
    file = layout(original, random_layers(original, ["to_q"]), tmp_path)
    for place in (tmp_path, file):
        restored = Given([], str(place)).restore(original, tmp_path)
        restored.applied.check("adapters")
        restored.undo()


def test_another_family_is_refused(
    folders: dict[str, Path], original: LoadedModel, tmp_path: Path
) -> None:
    for place in (folders["sdxl"], folders["sdxl"] / "unet", folders["sdxl"] / "unet" / UNET_FILE):
        with pytest.raises(DataError, match="belong to another model"):
            Given([], str(place)).restore(original, tmp_path).applied.check(str(place))


def test_what_holds_no_weights_is_told(original: LoadedModel, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="finetune.path=.*absent: no such file or folder"):
        Given([], str(tmp_path / "absent")).check()
    (tmp_path / "x.bin").touch()
    with pytest.raises(DataError, match="x.bin: no .safetensors file; convert it"):
        Given([], str(tmp_path / "x.bin")).check()
    with pytest.raises(DataError, match="neither networks .* nor adapters"):
        Given([], str(tmp_path)).restore(original, tmp_path)
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "diffusion_pytorch_model.bin").touch()
    with pytest.raises(DataError, match="unet: no .safetensors file; convert what lies there"):
        Given([], str(tmp_path)).restore(original, tmp_path)
    save_file({"unet:0:up": torch.ones(2, 1)}, tmp_path / "numbered.safetensors")
    with pytest.raises(DataError, match="none of 1 tensors belongs .*only numbered"):
        Given([], str(tmp_path / "numbered.safetensors")).restore(original, tmp_path)


def test_values_that_are_no_numbers_are_refused(
    other: Path, original: LoadedModel, tmp_path: Path
) -> None:
    folder = only(other, tmp_path, "unet")
    tensors = load_file(folder / "unet" / UNET_FILE)
    tensors["conv_in.bias"] *= float("nan")
    save_file(tensors, folder / "unet" / UNET_FILE)
    with pytest.raises(DataError, match="unet: conv_in.bias holds values that are no finite"):
        Given([], str(folder)).restore(original, tmp_path)


def test_given_weights_do_not_train(original: LoadedModel, tmp_path: Path) -> None:
    given = Given([], str(tmp_path))
    assert not given.trains and given.source(tmp_path / "weights") == str(tmp_path)
    for act in (lambda: given.attach(original), lambda: given.save(original, tmp_path)):
        with pytest.raises(ConfigError, match="evaluated, not trained"):
            act()


def test_a_file_of_another_family_or_half_of_one_is_refused(
    folders: dict[str, Path], other: Path, tmp_path: Path
) -> None:
    xl = of(folders, "sdxl").load("cpu")
    file = one_file(other, tmp_path)
    with pytest.raises(DataError, match="of Stable Diffusion 1, not of Stable Diffusion XL"):
        Given([], str(file)).restore(xl, tmp_path)
    half = {k: t for k, t in load_file(file).items() if "middle_block" not in k}
    save_file(half, file)
    with pytest.raises(DataError, match="missing|not whole"):
        Given([], str(file)).restore(of(folders, "sd1").load("cpu"), tmp_path).applied.check("x")


def test_folders_of_peft_are_read_by_network(folders: dict[str, Path], tmp_path: Path) -> None:
    model = of(folders, "sdxl").load("cpu")
    strategy = lora(["unet", "text_encoder", "text_encoder_2"])
    for parameter in strategy.attach(model).values():
        parameter.data += 0.1
    write_peft(model, tmp_path, "base")
    expected = {name: adapter_tensors(model.modules()[name]) for name in strategy.components}
    fresh = of(folders, "sdxl").load("cpu")
    Given([], str(tmp_path)).restore(fresh, tmp_path).applied.check("peft")
    for name, tensors in expected.items():
        found = adapter_tensors(fresh.modules()[name])
        assert found.keys() == tensors.keys()
        assert all(torch.equal(found[key], tensor) for key, tensor in tensors.items())


def sums(tensors: Iterable[torch.Tensor]) -> list[float]:
    """What tells tensors apart whatever their names are; all are finite numbers."""
    return sorted(float(tensor.float().double().sum()) for tensor in tensors)


@pytest.mark.parametrize("form", ["unet file", "original layout"])
def test_mutated_networks_are_applied_right_or_refused(
    form: str, other: Path, original: LoadedModel, tmp_path: Path
) -> None:
    """What is applied is what the file says; what is refused says so in one line."""
    file = Path(shutil.copy(FORMS[form][0](other, tmp_path), tmp_path / "mutated.safetensors"))
    mutations = Mutations(file)
    before = original.fingerprints()
    outcomes = {"applied": 0, "refused": 0}
    for number in range(36):
        mutations.write(number)
        try:
            restored = Given([], str(file)).restore(original, tmp_path)
        except DataError as error:
            assert "\n" not in str(error)
            outcomes["refused"] += 1
            assert original.fingerprints() == before
            continue
        try:
            restored.applied.check(str(file))
        except DataError as error:
            assert "\n" not in str(error)
            outcomes["refused"] += 1
        else:
            networks = [original.modules()[name].state_dict() for name in FORMS[form][1]]
            own = [tensor for network in networks for tensor in network.values()]
            saved = load_file(file)
            assert sums(own) == sums(t for k, t in saved.items() if not k.endswith(HARMLESS))
            outcomes["applied"] += 1
        restored.undo()
        assert original.fingerprints() == before
    assert outcomes["applied"] > 4 and outcomes["refused"] > 20, outcomes
