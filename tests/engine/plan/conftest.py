"""What a dry run says, compared with what a real run then does."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from sdexp.engine.plan.plan import check_plan, make_plan, measure
from sdexp.engine.plan.words import say_disk, say_measured, say_training
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.recipes import Recipes


def facts_of(
    run: RunFolder, recipes: Recipes, store: Store, place: Path, with_step: bool
) -> dict[str, Any]:
    """A plan said and checked, as plain values."""
    made = make_plan(run, place, recipes, store)
    say_training(made)
    say_disk(made, place, store)
    check_plan(made, place, store)
    facts: dict[str, Any] = {
        "disk": asdict(made.needs) | {"run": made.needs.run, "store": made.store_gain},
        "store": {what: asdict(one) for what, one in made.known.items()},
        "steps": made.timetable.total,
        "epochs": made.timetable.epochs,
        "trainable_parameters": made.trainable_parameters,
        "total_parameters": made.total_parameters,
    }
    if with_step:
        measured = measure(made)
        say_measured(made, measured)
        facts["measured"] = asdict(measured) | {
            "training_seconds": made.training_seconds(measured),
            "evaluation_seconds": made.evaluation_seconds(measured),
        }
    return facts


@pytest.fixture
def planned(new_run: Any, recipes: Any, store: Store, tmp_path: Path) -> Any:
    """Plan a small run; its place is `<tmp>/place`."""

    def work(*overrides: str, measure: bool = False) -> dict[str, Any]:
        run = new_run(f"plan{len(list(tmp_path.iterdir()))}", *overrides)
        before = sorted(run.path.rglob("*"))
        facts = facts_of(run, recipes(*overrides), store, tmp_path / "place", with_step=measure)
        assert sorted(run.path.rglob("*")) == before and not (tmp_path / "place").exists()
        return facts

    return work
