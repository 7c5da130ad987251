from sdexp.ground.run import RunFolder
from sdexp.pages.run.facts import read_facts
from sdexp.pages.run.files import source_of
from sdexp.pages.run.page import write_report
from tests.pages.run.folders import beside, scores


def test_links_lead_to_what_is_there(run: RunFolder) -> None:
    run.weights.mkdir()
    source = source_of(run, run, read_facts(run))
    addresses = dict(source.links)
    assert addresses["weights"] == "weights" and addresses["log"] == "log.jsonl"
    assert all((run.path / address).exists() for address in addresses.values())
    assert source.folder == run.path.name and source.command == "python -m sdexp.train"
    run.change_record(started="2026-11-29T06:37:44+00:00", ended="2026-11-29T06:40:26+00:00")
    when = source_of(run, run, read_facts(run)).when
    assert when == "finished, 2026-11-29 06:37:44 to 2026-11-29 06:40:26 UTC"
    run.log.unlink()
    assert "log" not in dict(source_of(run, run, read_facts(run)).links)


def test_an_evaluation_beside_has_its_own_files_and_command(run: RunFolder) -> None:
    folder = beside(run, "2026_replicates-7", scores())
    source = source_of(run, folder, read_facts(run, folder))
    addresses = dict(source.links)
    assert addresses["configuration"] == "config.yaml" and addresses["log"] == "../../log.jsonl"
    assert "replicates=7" in source.command
    write_report(run, folder)
    assert 'href="../../log.jsonl"' in folder.report_html.read_text()
