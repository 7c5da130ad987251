"""Pictures fetched by their addresses: in parallel, tried again, and never half written."""

import csv
import io
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from sdexp.ground.errors import DataError
from sdexp.ground.files import write_bytes, write_text
from sdexp.ground.interrupt import check_interrupt
from sdexp.ground.progress import Progress
from sdexp.ground.web import NoAnswer, answer

THREADS = 16
SECONDS = 60.0
FAILED = "fetch_failed.csv"
# Of this many at the beginning one at least has to connect.
PROBES = 16


def fetch_pictures(addresses: Mapping[str, str], folder: Path, pause: float = 1.0) -> str:
    """Fetch what is not there yet to `<folder>/<name>`; what was done, in words.

    addresses: by file name; pause: seconds before a second attempt. Those that could not be fetched
    are listed in `fetch_failed.csv` with the reason. Raises `DataError` where no server can be
    reached.
    """
    missing = {name: url for name, url in addresses.items() if not (folder / name).is_file()}
    progress = Progress("fetching pictures", len(missing), 0, bool(missing), unit="picture")
    failed: dict[str, NoAnswer] = {}
    waiting = iter(missing.items())
    import httpx

    with (
        httpx.Client(timeout=SECONDS, follow_redirects=True) as client,
        ThreadPoolExecutor(THREADS) as pool,
    ):

        def fetch(item: tuple[str, str]) -> tuple[str, NoAnswer | None]:
            name, url = item
            try:
                _write(answer(lambda: client.get(url), pause=pause), folder / name)
            except NoAnswer as fault:
                return name, fault
            return name, None

        while chunk := list(islice(waiting, PROBES)):
            check_interrupt()
            for name, fault in pool.map(fetch, chunk):
                if fault is not None:
                    failed[name] = fault
                progress.advance("")
            _check_online(addresses, failed, progress.done)
    progress.close()
    _list(folder / FAILED, addresses, failed)
    return _told(len(addresses), len(missing), failed)


def _write(response: object, file: Path) -> None:
    import httpx

    assert isinstance(response, httpx.Response)
    kind = response.headers["content-type"] if "content-type" in response.headers else "nothing"
    if not kind.startswith("image/"):
        raise NoAnswer(f"no picture but {kind.partition(';')[0]}")
    write_bytes(file, response.content, sync=False)


def _check_online(addresses: Mapping[str, str], failed: Mapping[str, NoAnswer], done: int) -> None:
    """Raise `DataError` where none of the first got so far as to a server."""
    offline = [name for name, fault in failed.items() if fault.is_offline]
    if len(offline) == done:
        raise DataError(
            f"fetch=true: {addresses[offline[0]]} cannot be reached; give the same command again "
            "when it can, or set fetch=false"
        )


def _list(file: Path, addresses: Mapping[str, str], failed: Mapping[str, NoAnswer]) -> None:
    if not failed:
        file.unlink(missing_ok=True)
        return
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["file", "address", "reason"])
    table.writerows([name, addresses[name], fault.reason] for name, fault in failed.items())
    write_text(file, text.getvalue())


def _told(total: int, missing: int, failed: Mapping[str, NoAnswer]) -> str:
    line = f"pictures: {total - missing} were there, {missing - len(failed)} fetched"
    if not failed:
        return line
    counts = Counter(fault.reason for fault in failed.values()).most_common()
    reasons = "; ".join(f"{count}: {reason}" for reason, count in counts)
    return f"{line}, {len(failed)} not ({reasons}), listed in {FAILED}"
