"""Door: list, verify and prune the store. `python -m sdexp.store action=prune max_gb=10`."""

import sys
from datetime import datetime

from omegaconf import DictConfig

from sdexp.ground import store_keeping as keeping
from sdexp.ground.checks import at_least
from sdexp.ground.errors import ConfigError
from sdexp.ground.store import Store, default_root
from sdexp.ground.units import amount
from sdexp.launch.arguments import Arguments
from sdexp.launch.compose import compose
from sdexp.launch.door import run_door
from sdexp.launch.roots import StoreAction

GB = 1e9


def main(argv: list[str] | None = None) -> int:
    """List, verify or prune; returns the exit code."""
    return run_door("store", _store, argv)


def _store(arguments: Arguments) -> int:
    config = compose("store", arguments.overrides).config
    _check(config)
    store = Store(default_root())
    if config.action == StoreAction.verify:
        _verify(store, config.dry_run)
    elif config.action == StoreAction.prune:
        _prune(store, config.older_than_days, config.max_gb, config.dry_run)
    _list(store)
    return 0


def _check(config: DictConfig) -> None:
    """Raise `ConfigError` for limits that are out of range, missing or without use."""
    limits = {key: config[key] for key in ("older_than_days", "max_gb")}
    given = [key for key, value in limits.items() if value is not None]
    if config.action == StoreAction.prune and not given:
        raise ConfigError("action=prune: needs a limit; set older_than_days=N, max_gb=N or both")
    if config.action != StoreAction.prune and given:
        raise ConfigError(
            f"{given[0]}={limits[given[0]]}: has no use with action={config.action}; "
            "set action=prune"
        )
    try:
        at_least("store", 0, **limits)
    except ValueError as error:
        raise ConfigError(str(error).removeprefix("store.")) from error


def _list(store: Store) -> None:
    held = keeping.holdings(store)
    total = sum(one.size for one in held)
    print(f"store: {store.root} ({amount(total)} in {_counted(sum(one.entries for one in held))})")
    for one in held:
        print(
            f"  {one.kind}: {_counted(one.entries)}, {amount(one.size)}, "
            f"last used from {_time(one.oldest)} to {_time(one.newest)}"
        )


def _verify(store: Store, dry_run: bool) -> None:
    read, damaged = keeping.damaged(store)
    stale = keeping.stale(store)
    verb = "to remove" if dry_run else "removed"
    for entry in damaged:
        print(f"damaged, {verb}: {entry.path}")
    for entry in stale:
        print(f"left by a killed writer, {verb}: {entry.path}")
    if not dry_run:
        keeping.remove(damaged + stale)
    print(f"{_counted(read)} read, {len(damaged)} damaged, {len(stale)} unfinished")


def _prune(
    store: Store, older_than_days: float | None, max_gb: float | None, dry_run: bool
) -> None:
    limit = None if max_gb is None else max_gb * GB
    chosen = keeping.to_prune(store, older_than_days, limit)
    if not dry_run:
        keeping.remove(chosen)
    verb = "would be removed" if dry_run else "removed"
    for kind in sorted({entry.kind for entry in chosen}):
        of_kind = [entry for entry in chosen if entry.kind == kind]
        print(
            f"{verb}: {_counted(len(of_kind))} of {kind}, {amount(sum(e.size for e in of_kind))}, "
            f"last used from {_time(of_kind[0].used)} to {_time(of_kind[-1].used)}"
        )
    if not chosen:
        print(f"nothing {verb}")


def _counted(entries: int) -> str:
    return f"{entries} entr{'y' if entries == 1 else 'ies'}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M")


if __name__ == "__main__":
    sys.exit(main())
