import shutil
from pathlib import Path

from sdexp.ground.run import RunFolder
from sdexp.ground.serving import Weights
from sdexp.service.found import facts_of, files_of, folder_of, look_at
from tests.service.houses import run_of


def test_files_of_weights_are_those_that_they_are_read_from(tmp_path: Path) -> None:
    run = run_of(tmp_path, "one")
    export = run.export("peft") / "adapter_model.safetensors"
    step = run.weights_at(20) / "unet" / "diffusion_pytorch_model.safetensors"
    own = run.weights / "some.safetensors"
    for file in (export, step):
        file.parent.mkdir(parents=True)
        file.write_bytes(b"weights")
    kinds = {"run": ("", own), "checkpoint": ("20", step), "export": ("peft", export)}
    all_weights = {k: Weights(str(run.path), k, n) for k, (n, _) in kinds.items()}  # type: ignore[arg-type]
    for kind, (_, file) in kinds.items():
        before = {name: files_of(weights) for name, weights in all_weights.items()}
        assert before[kind][-1].path == file.resolve()
        file.write_bytes(f"other {kind}".encode())
        changed = [
            name for name, weights in all_weights.items() if files_of(weights) != before[name]
        ]
        assert changed == [kind]
    assert folder_of(all_weights["checkpoint"]) == run.weights_at(20)


def test_what_is_gone_has_no_facts(tmp_path: Path) -> None:
    run = run_of(tmp_path, "one")
    assert len(facts_of(run)) == 2
    shutil.rmtree(run.path)
    assert facts_of(run) == () == files_of(Weights(str(run.path), "run"))
    assert look_at("one", run).fault is not None  # type: ignore[union-attr]


def test_a_comparison_of_folders_is_no_run(tmp_path: Path) -> None:
    assert look_at("one", run_of(tmp_path, "one", of_folders=True)) is None
    found = look_at("two", RunFolder(run_of(tmp_path, "two").path))
    assert found is not None and found.fault is None and found.recipes is not None
