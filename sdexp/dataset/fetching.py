"""Pictures fetched by their addresses: in parallel, tried again, and never half written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from sdexp.ground.csv_texts import csv_text
from sdexp.ground.errors import DataError
from sdexp.ground.files import write_bytes, write_text
from sdexp.ground.interrupt import check_interrupt
from sdexp.ground.progress import Progress
from sdexp.ground.signatures import picture_suffix
from sdexp.ground.web import NoAnswer, ask, client

if TYPE_CHECKING:
    from httpx import Client

FAILED = "fetch_failed.csv"
# Fetched at once; where none of so many finds a server, there is no network.
TOGETHER = 16


def fetch_pictures(addresses: Mapping[str, str], folder: Path, there: Collection[str]) -> str:
    """Fetch what is not there yet to `<folder>/<name>`; what was done, in words.

    addresses: by file name; there: names that need not be fetched. Those that could not be fetched
    are listed in `fetch_failed.csv` with the reason. Raises `DataError` where no server can be
    reached any more; what was fetched is kept.
    """
    missing = [name for name in addresses if name not in there and not (folder / name).is_file()]
    progress = Progress("fetching pictures", len(missing), 0, bool(missing), unit="picture")
    failed: dict[str, str] = {}
    waiting = iter(missing)
    with client() as through, ThreadPoolExecutor(TOGETHER) as pool:

        def fetch(name: str) -> NoAnswer | None:
            return _fetch(through, addresses[name], folder / name)

        while names := list(islice(waiting, TOGETHER)):
            check_interrupt()
            faults = dict(zip(names, pool.map(fetch, names), strict=True))
            _check_online(addresses, faults)
            failed |= {name: fault.reason for name, fault in faults.items() if fault is not None}
            progress.advance("", by=len(names))
    progress.close()
    _list(folder / FAILED, addresses, failed)
    return _told(len(addresses), len(missing), failed)


def _fetch(through: Client, address: str, file: Path) -> NoAnswer | None:
    """What kept a picture from being fetched; None where nothing did."""
    if not address:
        return NoAnswer("no address")
    try:
        data = ask(through, "GET", address)
    except NoAnswer as fault:
        return fault
    if picture_suffix(data) is None:
        return NoAnswer("the answer is no picture")
    write_bytes(file, data, sync=False)
    return None


def _check_online(addresses: Mapping[str, str], faults: Mapping[str, NoAnswer | None]) -> None:
    """Raise `DataError` where none of several pictures found a server."""
    offline = [name for name, fault in faults.items() if fault is not None and fault.is_offline]
    if len(offline) == len(faults):
        raise DataError(
            f"fetch=true: {addresses[offline[0]]} cannot be reached; give the same command again "
            "when it can, or set fetch=false"
        )


def _list(file: Path, addresses: Mapping[str, str], failed: Mapping[str, str]) -> None:
    if not failed:
        file.unlink(missing_ok=True)
        return
    rows = [[name, addresses[name], reason] for name, reason in failed.items()]
    write_text(file, csv_text(["file", "address", "reason"], rows))


def _told(total: int, missing: int, failed: Mapping[str, str]) -> str:
    line = f"pictures: {total - missing} were there, {missing - len(failed)} fetched"
    if not failed:
        return line
    counts = Counter(failed.values()).most_common()
    reasons = "; ".join(f"{count}: {reason}" for reason, count in counts)
    return f"{line}, {len(failed)} not ({reasons}), listed in {FAILED}"
