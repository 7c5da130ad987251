from typing import Any

import pytest

from sdexp.engine.generate import fillers
from sdexp.engine.generate.fillers import fillers_in, pool_of
from sdexp.ground.endpoint import Endpoint
from sdexp.ground.picture_requests import Fillers, GridConfig
from sdexp.ground.run import RunFolder


def grid(kind: str, size: int = 8) -> GridConfig:
    return GridConfig("a cat", Fillers(kind), size, 140)


def test_three_of_four_cells_are_fillers() -> None:
    assert [fillers_in(grid("prompts", size)) for size in (2, 8)] == [3, 48]


def test_real_pictures_come_with_their_first_captions(new_run: Any, recipes: Any) -> None:
    run = new_run("run")
    made = recipes()
    pool = pool_of(run, made, grid("dataset"))
    data = made.dataset.open("test")
    assert list(pool.prompts) == [data.captions(k)[0] for k in range(len(data))]
    assert pool.picture(data.sample_id(1)).tobytes() == data[1].image.tobytes()


def test_prompts_come_from_templates_or_a_language_model(
    recipes: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    run = RunFolder(tmp_path)
    assert len(pool_of(run, recipes(), grid("prompts")).prompts) > 400
    counts: list[int] = []

    def ask(where: Endpoint, count: int) -> list[str]:
        counts.append(count)
        return ["a dog on grass"]

    monkeypatch.setattr(fillers, "endpoint", lambda: Endpoint("", "", ""))
    monkeypatch.setattr(fillers, "ask_for_prompts", ask)
    assert pool_of(run, recipes(), grid("llm")).prompts == ["a dog on grass"]
    assert counts == [48]
