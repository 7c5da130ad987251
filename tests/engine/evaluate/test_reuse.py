"""Pictures that an evaluation of the same weights has made are not made again."""

import json
from typing import Any

import pytest
from PIL import Image

from sdexp.engine.evaluate.evaluation import Evaluation, evaluate
from sdexp.ground.run import EvaluationFolder, RunFolder
from sdexp.ground.store import Store
from sdexp.model.latent_diffusion import LoadedLatentDiffusion


@pytest.fixture
def asked_for(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every caption that a picture was made of."""
    captions: list[str] = []
    generate = LoadedLatentDiffusion.generate

    def counted(self: Any, prompts: list[str], *arguments: Any) -> Any:
        captions.extend(prompts)
        return generate(self, prompts, *arguments)

    monkeypatch.setattr(LoadedLatentDiffusion, "generate", counted)
    return captions


def beside(run: RunFolder, name: str, recipes: Any, store: Store) -> EvaluationFolder:
    folder = run.evaluation(name)
    folder.path.mkdir(parents=True)
    evaluate(Evaluation(run, folder, recipes, store))
    return folder


def test_a_metric_that_is_added_later_makes_no_picture(
    trained: RunFolder, recipes: Any, store: Store, asked_for: list[str]
) -> None:
    evaluate(Evaluation(trained, trained, recipes("metric=[clip_score]"), store))
    assert asked_for
    asked_for.clear()
    later = beside(trained, "later", recipes("metric=[clip_score,kid]"), store)
    assert asked_for == []
    for file in sorted(trained.images("finetuned").iterdir()):
        again = later.images("finetuned") / file.name
        assert Image.open(file).tobytes() == Image.open(again).tobytes()
    told = json.loads(later.scores.read_text())["warnings"]
    assert any("8 pictures of the finetuned model are those" in line for line in told)
    first, second = (
        json.loads(one.scores.read_text())["metrics"]["clip_score"] for one in (trained, later)
    )
    assert first == second


def test_what_was_changed_or_is_damaged_is_made_again(
    trained: RunFolder, recipes: Any, store: Store, asked_for: list[str]
) -> None:
    small = recipes("evaluation.batch_size=1", "evaluation.num_general_prompts=0",
                    "evaluation.num_train_prompts=0")  # fmt: skip
    evaluate(Evaluation(trained, trained, small, store))
    whole = {file.name: file.read_bytes() for file in trained.images("finetuned").iterdir()}
    one, two, three, _ = sorted(trained.images("finetuned").iterdir())
    Image.new("RGB", (64, 64)).save(one)
    two.write_bytes(two.read_bytes()[:50])
    three.unlink()
    asked_for.clear()
    later = beside(trained, "later", small, store)
    assert len(asked_for) == 3
    assert {file.name: file.read_bytes() for file in later.images("finetuned").iterdir()} == whole


NOTES = ["", "[1]", "{", "null", '{"KEY": 5}', '{"KEY": []}', '{"KEY": [[3, "x", "y"]]}',
         '{"KEY": [["../../x.png", "x", "y"]]}']  # fmt: skip


@pytest.mark.parametrize("note", NOTES)
def test_without_its_note_everything_is_made_again(
    trained: RunFolder, recipes: Any, store: Store, asked_for: list[str], note: str
) -> None:
    evaluate(Evaluation(trained, trained, recipes(), store))
    key = next(iter(json.loads(trained.batches.read_text())))
    trained.batches.write_text(note.replace("KEY", key))
    count = len(asked_for)
    asked_for.clear()
    beside(trained, "later", recipes(), store)
    # Of the original all lie in the store.
    assert len(asked_for) == count // 2


def test_where_the_original_comes_out_otherwise_all_is_made_here(
    trained: RunFolder, recipes: Any, store: Store, asked_for: list[str]
) -> None:
    """As on another machine, whose kernels give other bits: the two must be made alike."""
    evaluate(Evaluation(trained, trained, recipes(), store))
    note = json.loads(trained.batches.read_text())
    other = {k: [[name, own, "0" * 64] for name, own, _ in files] for k, files in note.items()}
    trained.batches.write_text(json.dumps(other))
    count = len(asked_for)
    asked_for.clear()
    beside(trained, "later", recipes(), store)
    assert len(asked_for) == count // 2


def test_a_control_makes_its_own(
    trained: RunFolder, recipes: Any, store: Store, asked_for: list[str]
) -> None:
    control = recipes("evaluation.control=self")
    beside(trained, "first", control, store)
    asked_for.clear()
    beside(trained, "second", control, store)
    assert len(asked_for) == 4
