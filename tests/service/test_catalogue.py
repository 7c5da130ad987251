"""What is found in folders of runs, by ids that are no paths."""

import shutil
from pathlib import Path

import pytest

from sdexp.ground.applied import Applied
from sdexp.ground.serving import Proved
from sdexp.service.catalogue import Catalogue
from tests.service.houses import run_of


def found(root: Path) -> Catalogue:
    catalogue = Catalogue(root)
    catalogue.refresh()
    return catalogue


def test_runs_of_all_depths_are_there_with_checkpoints_and_exports(tmp_path: Path) -> None:
    run = run_of(tmp_path, "2026-01-01/one")
    for name in ("diffusers", "kohya-000050", "checkpoint-000020", ".tmp-peft"):
        (run.path / "export" / name).mkdir(parents=True)
    for step in ("000040", "000100", "torn"):
        (run.checkpoints / step).mkdir(parents=True)
    run_of(tmp_path, "sweep/time/0", base_weights={"unet": "b"})
    catalogue = found(tmp_path)
    ids = [entry.id for entry in catalogue.entries]
    originals = [name for name in ids if name.startswith("original~")]
    # Runs of other originals have an original of their own.
    assert len(originals) == 2
    assert set(ids) - set(originals) == {
        "sweep~time~0",
        "2026-01-01~one",
        "2026-01-01~one@20",
        "2026-01-01~one@40",
        "2026-01-01~one@diffusers",
        "2026-01-01~one@kohya-000050",
    }
    kinds = {entry.id: (entry.kind, entry.weights.name) for entry in catalogue.entries}
    assert kinds["2026-01-01~one@20"] == ("checkpoint", "20")
    assert kinds["2026-01-01~one@diffusers"] == ("export", "diffusers")
    steps = {entry.id.partition("@")[2]: entry.steps for entry in catalogue.entries}
    assert steps["kohya-000050"] == 50 and steps["diffusers"] is None
    # What would have to be written into the run first is not looked at before somebody asks.
    waiting = {entry.id.partition("@")[2] for entry in catalogue.unproved()}
    assert "20" in waiting and "40" not in waiting
    entry = catalogue.entry("2026-01-01~one")
    assert entry is not None and entry.label == "lora, step 100, pocket"
    assert entry.original in originals and entry.defaults.height == 64


def test_the_folder_may_be_a_run_itself(tmp_path: Path) -> None:
    run = run_of(tmp_path, "alone")
    assert [one.id for one in found(run.path).runs] == ["alone"]


def test_what_cannot_be_served_says_why(tmp_path: Path) -> None:
    run_of(tmp_path, "unfinished", stage="train", status="failed")
    run_of(tmp_path, "foreign", plugins=["somebodys.parts"])
    torn = run_of(tmp_path, "torn")
    torn.config.write_text("training: [")
    run_of(tmp_path, "pictures", of_folders=True)
    catalogue = found(tmp_path)
    entry = catalogue.entry("unfinished")
    assert entry is not None and "no finished weights" in (entry.refused or "")
    faults = {one.id: one.fault for one in catalogue.runs}
    assert "plugins=[somebodys.parts]" in (faults["foreign"] or "")
    assert faults["torn"] and catalogue.entry("torn") is None
    assert "pictures" not in faults


@pytest.mark.parametrize("name", ["", ".", "..", "../one", "/etc", "one/../one", "ONE", "one@x"])
def test_nothing_else_is_a_name(tmp_path: Path, name: str) -> None:
    run_of(tmp_path, "one")
    catalogue = found(tmp_path)
    assert catalogue.entry(name) is None and catalogue.run(name) is None


def test_it_sees_what_is_new_and_reads_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sdexp.service import catalogue as module

    looked = []
    before = module.look_at
    monkeypatch.setattr(module, "look_at", lambda *a: looked.append(a[0]) or before(*a))
    run = run_of(tmp_path, "one")
    catalogue = found(tmp_path)
    run_of(tmp_path, "two")
    catalogue.refresh()
    run.change_record(status="failed")
    catalogue.refresh()
    assert looked == ["one", "two", "one"]


def test_a_proof_holds_as_long_as_the_weights(tmp_path: Path) -> None:
    run = run_of(tmp_path, "one")
    catalogue = found(tmp_path)
    while waiting := catalogue.unproved():
        catalogue.note(Proved(waiting[0].weights, Applied(3, 2), True, None))
    catalogue.note_differing("one")
    catalogue.refresh()
    own = catalogue.entry("one")
    assert own is not None and own.has_strength and own.applied == Applied(3, 2)
    assert own.differs
    (run.weights / "some.safetensors").write_bytes(b"other weights")
    catalogue.refresh()
    own = catalogue.entry("one")
    assert own is not None and own.proof is None and not own.differs
    assert [entry.weights.run for entry in catalogue.unproved()] == [str(run.path)] * 2
    catalogue.note(Proved(own.weights, None, False, "broken"))
    own = catalogue.entry("one")
    assert own is not None and own.refused == "broken"
    assert catalogue.shortened(f"{run.path}/weights: broken") == "one/weights: broken"
    alone = found(run.path)
    assert alone.shortened(f"run={run.path}: unfinished") == "run=one: unfinished"
    assert str(Path.home()) not in alone.shortened(f"{Path.home()}/model: missing")


def test_an_export_has_a_proof_of_its_own(tmp_path: Path) -> None:
    run = run_of(tmp_path, "one")
    file = run.export("peft") / "adapter_model.safetensors"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"torn")
    catalogue = found(tmp_path)
    entry = catalogue.entry("one@peft")
    assert entry is not None
    catalogue.note(Proved(entry.weights, None, False, "torn"))
    file.write_bytes(b"mended")
    catalogue.refresh()
    entry = catalogue.entry("one@peft")
    assert entry is not None and entry.refused is None and entry in catalogue.unproved()


def test_a_run_that_goes_while_it_is_looked_at_is_no_fault(tmp_path: Path) -> None:
    run = run_of(tmp_path, "one")
    catalogue = found(tmp_path)
    entry = catalogue.entry("one")
    assert entry is not None
    shutil.rmtree(run.path)
    catalogue.note(Proved(entry.weights, Applied(3, 2), True, None))
    catalogue.note_differing("one")
    assert catalogue.unproved() == []
    catalogue.refresh()
    assert catalogue.entries == []
    # Nothing is kept of it.
    assert not (catalogue._seen or catalogue._proofs or catalogue._differing)
