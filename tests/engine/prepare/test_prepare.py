from pathlib import Path

import pytest

from sdexp.dataset.base import AbstractDataset
from sdexp.engine.prepare import prepare as module
from sdexp.engine.prepare.prepare import prepare
from sdexp.ground.audit_records import AuditRecord, PrepareRequest
from sdexp.ground.record_files import read_record
from sdexp.ground.run import RunFolder
from tests.blips import save_blip
from tests.engine.prepare.folders import photos, recipes_of


def test_what_is_asked_for_is_done_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = RunFolder(tmp_path / "audit")
    run.path.mkdir()
    recipes = recipes_of(photos(tmp_path / "photos"))
    blip = save_blip(tmp_path / "blip")
    monkeypatch.setattr(AbstractDataset, "fetch", lambda self: ["fetched"])
    request = PrepareRequest("", True, str(blip), 1, 3, 5, False)
    prepare(run, recipes, request)
    record = read_record(run.audit, AuditRecord)
    assert record.done == ["fetched", "captions: 1 written by blip"]
    assert sum(facts.pictures for facts in record.splits.values()) == 13
    told = capsys.readouterr().out
    assert "1 pictures dropped" in told and "truncated or damaged" in told
    assert f"near-duplicates between splits: {record.num_twins}\n" in told
    assert "doubtful captions: 2: misread UTF-8" in told


def test_nothing_else_is_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFolder(tmp_path / "audit")
    run.path.mkdir()

    def never(*arguments: object) -> str:
        raise AssertionError("was not asked for")

    monkeypatch.setattr(module, "write_captions", never)
    monkeypatch.setattr(AbstractDataset, "fetch", never)
    request = PrepareRequest("", False, None, 1, 3, 5, False)
    prepare(run, recipes_of(photos(tmp_path / "photos")), request)
    assert run.audit.is_file()
