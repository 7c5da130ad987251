import csv
from pathlib import Path

import pytest

from sdexp.dataset import fetching
from sdexp.dataset.fetching import fetch_pictures
from sdexp.ground import web
from sdexp.ground.errors import DataError
from tests.dataset.hubs import png
from tests.web import NOBODY, Answer, server


def answers(path: str, body: bytes) -> Answer:
    if "absent" in path:
        return 404, {}, b""
    if "page" in path:
        return 200, {"content-type": "image/jpeg"}, b"<html>"
    if "empty" in path:
        return 200, {}, b""
    return 200, {}, png((len(path), 0, 0))


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "PAUSE", 0.001)


def test_pictures_keep_their_names_and_failures_are_listed(tmp_path: Path) -> None:
    names = ["-a.jpg", "_b.jpg", "absent.jpg", "page.jpg", "empty.jpg"]
    with server(answers) as address:
        wanted = {name: f"{address}/{name}?w=10" for name in names} | {"nowhere.jpg": ""}
        told = fetch_pictures(wanted, tmp_path, ())
    assert told == (
        "pictures: 0 were there, 2 fetched, 4 not (2: the answer is no picture; 1: HTTP 404; "
        "1: no address), listed in fetch_failed.csv"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"-a.jpg", "_b.jpg", fetching.FAILED}
    rows = list(csv.DictReader((tmp_path / fetching.FAILED).open()))
    assert [(row["file"], row["reason"]) for row in rows] == [
        ("absent.jpg", "HTTP 404"),
        ("page.jpg", "the answer is no picture"),
        ("empty.jpg", "the answer is no picture"),
        ("nowhere.jpg", "no address"),
    ]


def test_what_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"mine")
    (tmp_path / fetching.FAILED).write_text("of before")
    with server(answers) as address:
        wanted = {name: f"{address}/{name}" for name in ("a.jpg", "b.jpg", "c.jpg")}
        told = fetch_pictures(wanted, tmp_path, ["c.jpg"])
    assert told == "pictures: 2 were there, 1 fetched"
    assert (tmp_path / "a.jpg").read_bytes() == b"mine" and not (tmp_path / "c.jpg").exists()
    assert not (tmp_path / fetching.FAILED).exists()


def test_a_busy_server_costs_nothing_but_time(tmp_path: Path) -> None:
    seen: set[str] = set()

    def busy(path: str, body: bytes) -> Answer:
        if path in seen:
            return answers(path, body)
        seen.add(path)
        return 503, {}, b""

    with server(busy) as address:
        addresses = {f"{k}.jpg": f"{address}/{k}" for k in range(40)}
        assert fetch_pictures(addresses, tmp_path, ()).endswith("40 fetched")


def test_a_kill_loses_nothing_that_was_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "TOGETHER", 4)
    asked: list[str] = []

    def dying(path: str, body: bytes) -> Answer:
        asked.append(path)
        return answers(path, body)

    def kill() -> None:
        if len(asked) >= 8:
            raise KeyboardInterrupt

    with server(dying) as address:
        addresses = {f"{k}.jpg": f"{address}/{k}" for k in range(20)}
        with monkeypatch.context() as patched:
            patched.setattr(fetching, "check_interrupt", kill)
            with pytest.raises(KeyboardInterrupt):
                fetch_pictures(addresses, tmp_path, ())
        assert fetch_pictures(addresses, tmp_path, ()) == "pictures: 8 were there, 12 fetched"
    assert len(asked) == 20


def test_without_any_connection_it_ends_at_once(tmp_path: Path) -> None:
    addresses = {f"{k}.jpg": f"{NOBODY}/{k}" for k in range(1000)}
    with pytest.raises(DataError, match="fetch=true: .* cannot be reached; give the same command"):
        fetch_pictures(addresses, tmp_path, ())
    assert not list(tmp_path.iterdir())


def test_where_the_network_goes_in_between_what_was_fetched_stays(tmp_path: Path) -> None:
    with server(answers) as address:
        addresses = {f"{k}.jpg": f"{address}/{k}" for k in range(16)}
        gone = {f"{k}.jpg": f"{NOBODY}/{k}" for k in range(16, 200)}
        with pytest.raises(DataError, match="cannot be reached"):
            fetch_pictures(addresses | gone, tmp_path, ())
    assert len(list(tmp_path.glob("*.jpg"))) == 16
