"""Weights in memory, against the bits of models that were loaded afresh."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from sdexp.engine.export import export
from sdexp.engine.saved import describe
from sdexp.engine.serve.residents import Residents
from sdexp.engine.switching import Switchable, tensors_of
from sdexp.engine.train.milestones import write_weights_of
from sdexp.engine.weights import apply_weights
from sdexp.finetune.formats import ExportFormat
from sdexp.finetune.merging import merge
from sdexp.ground.errors import ConfigError, DataError
from sdexp.ground.run import RunFolder
from sdexp.ground.serving import Weights
from sdexp.ground.store import Store
from sdexp.model.base import LoadedModel
from sdexp.recipes import read_recipes
from tests.engine.generate.trained import trained
from tests.engine.serve.trained import Runs, copied, lose_a_tensor, runs_of, weights, weights_file
from tests.engine.test_switching import save_trained
from tests.finetune.pocket import lora

PLENTY = 10**12


@pytest.fixture
def runs(tiny: str) -> Runs:
    return runs_of(tiny)


def bits(model: LoadedModel) -> dict[str, bytes]:
    return {
        f"{name}.{key}": tensor.numpy().tobytes()
        for name, own in tensors_of(model).items()
        for key, tensor in own.items()
    }


def expected(run: RunFolder, folder: Path) -> dict[str, bytes]:
    """The bits of a fresh original with weights in it for good."""
    recipes = read_recipes(run.config)
    model = recipes.model.load("cpu")
    apply_weights(recipes.finetune, model, folder)
    merge(model)
    return bits(model)


def served(residents: Residents, of: Weights) -> dict[str, bytes]:
    prepared = residents.prepare(of)
    with prepared.put_in(1.0):
        return bits(prepared.model)


def size_of(run: RunFolder) -> int:
    """Bytes of the tensors in its file."""
    return sum(tensor.nbytes for tensor in load_file(weights_file(run)).values())


def test_runs_of_one_original_share_it_and_leave_no_trace(runs: Runs) -> None:
    residents = Residents("cpu", PLENTY)
    first = runs.first
    second = runs.second
    original = residents.prepare(weights(first, "original"))
    untouched = bits(original.model)
    prints = original.model.fingerprints()
    model_bytes = sum(map(len, untouched.values()))
    assert original.state is None and residents.nbytes == model_bytes
    assert served(residents, weights(first)) == expected(first, first.weights)
    assert residents.nbytes == model_bytes + size_of(first)
    prepared = residents.prepare(weights(second))
    assert prepared.model is original.model
    assert residents.nbytes == model_bytes + size_of(first) + size_of(second)
    fresh = read_recipes(second.config).model.load("cpu")
    apply_weights(read_recipes(second.config).finetune, fresh, second.weights)
    merge(fresh)
    with prepared.put_in(1.0):
        assert prepared.model.fingerprints() == fresh.fingerprints()
        assert bits(prepared.model) == bits(fresh)
    assert bits(original.model) == untouched and original.model.fingerprints() == prints


def test_originals_share_the_networks_that_are_the_same_in_both(runs: Runs) -> None:
    residents = Residents("cpu", PLENTY)
    first = runs.first
    other = runs.other
    one = residents.prepare(weights(first, "original")).model
    before = residents.nbytes
    two = residents.prepare(weights(other, "original")).model
    unet = sum(tensor.nbytes for tensor in tensors_of(two)["unet"].values())
    assert one is not two and residents.nbytes == before + unet
    for name, own in tensors_of(one).items():
        theirs = tensors_of(two)[name]
        same = {own[key].data_ptr() == theirs[key].data_ptr() for key in own}
        assert same == {name != "unet"}
    # One of them as another state is nothing to the other.
    untouched = bits(two)
    prepared = residents.prepare(weights(first))
    with prepared.put_in(1.0):
        assert bits(two) == untouched and bits(one) == expected(first, first.weights)
    assert served(residents, weights(other)) == expected(other, other.weights)


def test_what_was_unused_for_longest_leaves_and_comes_back_right(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    third = copied(runs.second, tmp_path / "third")
    stronger = {name: 2 * tensor for name, tensor in load_file(weights_file(third)).items()}
    save_file(stronger, weights_file(third))
    third.change_record(weights=describe(third.weights))
    three = [runs.first, runs.second, third]
    results = [expected(run, run.weights) for run in three]
    made: list[Path] = []
    work = Switchable.__init__

    def counted(self: Any, model: Any, finetune: Any, folder: Path) -> None:
        made.append(folder)
        work(self, model, finetune, folder)

    monkeypatch.setattr(Switchable, "__init__", counted)
    limit = sum(map(len, results[0].values())) + 2 * size_of(runs.first)
    residents = Residents("cpu", limit)
    for number in (0, 1, 0, 2, 0, 1, 1, 0):
        assert served(residents, weights(three[number])) == results[number]
        assert residents.nbytes <= limit
    # 1 was unused for longest when 2 came, 2 when 1 came again.
    assert made == [three[number].weights for number in (0, 1, 2, 1)]


def test_with_no_room_at_all_one_original_and_one_state_are_there(runs: Runs) -> None:
    residents = Residents("cpu", 1)
    for run in (runs.first, runs.other, runs.first):
        own = expected(run, run.weights)
        assert served(residents, weights(run)) == own
        assert residents.nbytes == sum(map(len, own.values())) + size_of(run)


def test_files_that_changed_are_read_again(runs: Runs, tmp_path: Path) -> None:
    residents = Residents("cpu", PLENTY)
    run = copied(runs.first, tmp_path / "run")
    before = served(residents, weights(run))
    size = residents.nbytes
    shutil.copytree(runs.second.weights, run.weights, dirs_exist_ok=True)
    with pytest.raises(DataError, match="not what the training wrote"):
        residents.prepare(weights(run))
    run.change_record(weights=describe(run.weights))
    after = served(residents, weights(run))
    assert after == expected(run, run.weights) != before
    assert residents.nbytes == size, "what was read before is gone"


def test_weights_of_a_step_are_made_of_its_checkpoint(
    new_run: Any, recipes: Any, store: Store, tiny: str, tmp_path: Path
) -> None:
    run, built = trained(new_run, recipes, store, tiny)
    twin = copied(run, tmp_path / "twin")
    residents = Residents("cpu", PLENTY)
    assert not run.weights_at(2).exists()
    found = served(residents, weights(run, "checkpoint", "000002"))
    assert run.weights_at(2).is_dir()
    write_weights_of(twin, built, 2)
    assert found == expected(twin, twin.weights_at(2)) != served(residents, weights(run))
    last = served(residents, weights(run, "checkpoint", "000004"))
    assert last == served(residents, weights(run))
    with pytest.raises(ConfigError, match="checkpoint=000003: there is no such one"):
        residents.prepare(weights(run, "checkpoint", "000003"))


def test_an_export_is_served_in_whatever_form(runs: Runs, tmp_path: Path) -> None:
    residents = Residents("cpu", PLENTY)
    run = copied(runs.first, tmp_path / "run")
    own = served(residents, weights(run))
    for form in (ExportFormat.kohya, ExportFormat.pipeline):
        export(run, run.export(form), read_recipes(run.config), form, None)
        of = weights(run, "export", form)
        state = residents.prepare(of).state
        assert state is not None and state.has_strength == (form == ExportFormat.kohya)
        assert served(residents, of) == own
    with pytest.raises(DataError, match="peft"):
        residents.prepare(weights(run, "export", "peft"))


def spoil(run: RunFolder, fault: str) -> str:
    """Have weights refused; gives what is then told."""
    if fault == "original":
        run.change_record(base_weights={"unet": "0" * 64})
        return "the original changed since the training"
    if fault == "foreign":
        save_trained(lora(["unet", "text_encoder"]), run.weights, 1)
        run.change_record(weights={})
        return "it was made for a text side of width 96"
    lose_a_tensor(weights_file(run))
    if fault == "recorded":
        return r"1 of \d+ tensors missing"
    run.change_record(weights={})
    return "1 tensors missing"


@pytest.mark.parametrize("fault", ["original", "foreign", "recorded", "unrecorded"])
def test_who_is_refused_leaves_everything_in_place(fault: str, runs: Runs, tmp_path: Path) -> None:
    residents = Residents("cpu", PLENTY)
    good = [weights(runs.first, "original"), weights(runs.first)]
    before = [served(residents, of) for of in good]
    bad = copied(runs.second, tmp_path / "bad")
    told = spoil(bad, fault)
    for _ in range(2):
        with pytest.raises(DataError, match=told):
            residents.prepare(weights(bad))
        assert [served(residents, of) for of in good] == before


def test_an_original_that_is_refused_is_not_kept(runs: Runs, tmp_path: Path) -> None:
    """A run whose record fits it is served later, with the same name of an original."""
    spoiled = copied(runs.first, tmp_path / "spoiled")
    prints = spoiled.read_record().base_weights
    spoiled.change_record(base_weights=prints | {"unet": "0" * 64})
    residents = Residents("cpu", PLENTY)
    for _ in range(2):
        with pytest.raises(DataError, match="the original changed"):
            residents.prepare(weights(spoiled))
    assert residents.nbytes == 0
    spoiled.change_record(base_weights=prints)
    assert served(residents, weights(spoiled)) == expected(runs.first, runs.first.weights)


def test_a_run_that_is_gone_is_told(runs: Runs, tmp_path: Path) -> None:
    gone = copied(runs.first, tmp_path / "gone")
    residents = Residents("cpu", PLENTY)
    residents.prepare(weights(gone))
    shutil.rmtree(gone.path)
    with pytest.raises(DataError, match="not there any more"):
        residents.prepare(weights(gone))
