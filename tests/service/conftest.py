from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.service.browsing import Visitor, chromium, visiting
from tests.service.serving import Served, make_runs, service


@pytest.fixture(scope="session")
def runs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs that can be served and runs that cannot; made once for all tests of a process."""
    folder = tmp_path_factory.mktemp("runs")
    make_runs(folder / "runs", folder / "store")
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as one:
        yield one


@pytest.fixture
def visitor(browser: Any, served: Served) -> Iterator[Visitor]:
    with visiting(browser, served) as one:
        yield one


@pytest.fixture(scope="module")
def served(runs_folder: Path) -> Iterator[Served]:
    with service(runs_folder / "runs", runs_folder / "store") as one:
        yield one
