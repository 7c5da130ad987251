"""The OpenAPI document against what is really answered."""

from pathlib import Path

from sdexp.service.schema import JOB
from sdexp.service.server import make_app
from tests.service.houses import house_of, run_of
from tests.service.test_jobs import job
from tests.service.test_orders import job_of
from tests.service.told_models import made


def test_the_example_of_a_job_has_the_fields_of_one(tmp_path: Path) -> None:
    run_of(tmp_path, "run")
    whole = job_of(house_of(tmp_path), "run")
    whole.add(made(whole.id, 0, whole.order.shots[0]))
    told = whole.told(0)
    assert told.keys() == JOB.keys()
    for part in ("recipe", "progress", "judges"):
        assert told[part].keys() == JOB[part].keys()  # type: ignore[attr-defined]
    assert told["pictures"][0].keys() == JOB["pictures"][0].keys()  # type: ignore[index]
    assert job().told(0).keys() == JOB.keys()


def test_every_fault_that_may_come_is_declared_as_one_line(tmp_path: Path) -> None:
    run_of(tmp_path, "run")
    document = make_app(house_of(tmp_path), None)._app.openapi()  # type: ignore[attr-defined]
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            answers = operation["responses"]
            assert {"403"} <= answers.keys(), (path, method)
            assert operation["description"], (path, method)
            if method in ("post", "put"):
                reference = answers["422"]["content"]["application/json"]["schema"]["$ref"]
                assert reference.endswith("/Fault"), (path, method)
    fields = document["components"]["schemas"]["PicturesAsked"]["properties"]
    assert all("description" in field for name, field in fields.items() if name != "sampler")
