"""The house rules as functions: each takes the folder of a package and names what breaks it."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

PACKAGE = "sdexp"
PARTS = ("model", "finetune", "dataset", "objective", "metric", "tracker")
DOOR_MODULES = ("report/door.py", "report/__main__.py")
CONFIG_MODULES = ("ground/config.py", "ground/roots.py", "ground/build.py")
DESERIALISERS = {"pickle", "cloudpickle", "dill", "marshal", "shelve"}
LONGEST_FILE = 300
LONGEST_USUAL_FUNCTION = 35


def sources(root: Path) -> Iterator[tuple[str, ast.Module]]:
    """Each Python file below `root` by its relative path."""
    for file in sorted(root.rglob("*.py")):
        yield file.relative_to(root).as_posix(), ast.parse(file.read_text())


def imported(path: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything that a file of the package imports, at any depth."""
    package = [PACKAGE, *path.split("/")[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def is_door(path: str) -> bool:
    """Whether a file may know Hydra: the modules at the top, and the report's own door."""
    return "/" not in path or path in DOOR_MODULES


def house_of(path: str) -> str:
    """Which room a file lives in: door, or the name of its folder."""
    return "door" if is_door(path) else path.split("/")[0]


def allowed_rooms(room: str) -> set[str]:
    """What a room may import from; `stats` is pure and open to all but `ground`."""
    return {
        "door": {"door", "engine", *PARTS, "stats", "report", "ground"},
        "engine": {"engine", *PARTS, "stats", "ground"},
        "ground": {"ground"},
        "stats": {"stats"},
        "report": {"report", "ground"},
        "assets": set(),
        **{part: {part, "stats", "ground"} for part in PARTS},
    }[room]


def imports_point_down(root: Path) -> list[str]:
    """Doors -> engine -> parts -> ground, and no part knows its sibling folders."""
    faults = []
    for path, tree in sources(root):
        room = house_of(path)
        for line, name in imported(path, tree):
            target = _room_of_module(root, name)
            if target and target not in allowed_rooms(room):
                faults.append(f"{path}:{line}: {room} imports {name}")
    return faults


def _room_of_module(root: Path, name: str) -> str | None:
    words = name.split(".")
    if words[0] != PACKAGE or len(words) == 1:
        return None
    if (root / words[1]).is_dir():
        report_door = words[1] == "report" and words[2:3] in (["door"], ["__main__"])
        return "door" if report_door else words[1]
    return "door"


def hydra_stays_upstairs(root: Path) -> list[str]:
    """`hydra` and `omegaconf` are known to the doors and the modules of the configuration only."""
    return [
        f"{path}:{line}: imports {name}"
        for path, tree in sources(root)
        if not is_door(path) and path not in CONFIG_MODULES
        for line, name in imported(path, tree)
        if name.split(".")[0] in ("hydra", "omegaconf")
    ]


def nothing_refused(root: Path) -> list[str]:
    """No way to run foreign code, and nothing swallowed."""
    return [
        f"{path}:{node.lineno}: {fault}"  # type: ignore[attr-defined]
        for path, tree in sources(root)
        for node in ast.walk(tree)
        for fault in _refused(node)
    ]


def _refused(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield from _refused_imports(node)
    if isinstance(node, ast.Call):
        yield from _refused_calls(node)
    if isinstance(node, ast.keyword) and node.arg == "trust_remote_code":
        yield "trust_remote_code"
    if isinstance(node, ast.Constant) and node.value == "trust_remote_code":
        yield "trust_remote_code"
    if isinstance(node, ast.ExceptHandler):
        yield from _refused_handlers(node)


def _refused_imports(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    for _, name in imported("", node):
        words = name.split(".")
        if words[0] in DESERIALISERS:
            yield f"imports {words[0]}"
        if name in ("torch.load", "hydra.utils.instantiate", "hydra.utils.call"):
            yield f"imports {name}"


def _refused_calls(node: ast.Call) -> Iterator[str]:
    name = ast.unparse(node.func)
    given = {keyword.arg: keyword.value for keyword in node.keywords}
    if name in ("eval", "exec"):
        yield f"{name}()"
    if name.endswith("utils.instantiate"):
        yield "hydra.utils.instantiate"
    if name == "torch.load" and not _is_true(given, "weights_only"):
        yield "torch.load without weights_only=True"
    for keyword in ("shell", "allow_pickle"):
        if _is_true(given, keyword):
            yield f"{keyword}=True"


def _is_true(given: dict[str | None, ast.expr], keyword: str) -> bool:
    value = given[keyword] if keyword in given else None
    return isinstance(value, ast.Constant) and value.value is True


def _refused_handlers(node: ast.ExceptHandler) -> Iterator[str]:
    if node.type is None:
        yield "bare except"
        return
    kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    for kind in map(ast.unparse, kinds):
        if kind in ("Exception", "BaseException"):
            yield f"except {kind}"


def packages_are_empty(root: Path) -> list[str]:
    """An `__init__.py` holds nothing."""
    return [
        file.relative_to(root).as_posix()
        for file in sorted(root.rglob("__init__.py"))
        if file.stat().st_size
    ]


def files_are_short(root: Path) -> list[str]:
    """No file above 300 lines."""
    lengths = {file: len(file.read_text().splitlines()) for file in sorted(root.rglob("*.py"))}
    return [
        f"{file.relative_to(root)}: {length} lines"
        for file, length in lengths.items()
        if length > LONGEST_FILE
    ]


def functions_are_short(root: Path) -> list[str]:
    """Nine in ten functions have at most 35 lines; else the long ones are named."""
    lengths = {
        f"{path}:{node.lineno}: {node.name}": node.end_lineno - node.lineno + 1
        for path, tree in sources(root)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    }
    long = [
        f"{name}: {length} lines"
        for name, length in lengths.items()
        if length > LONGEST_USUAL_FUNCTION
    ]
    return long if len(long) * 10 > len(lengths) else []


RULES: list[Callable[[Path], list[str]]] = [
    imports_point_down,
    hydra_stays_upstairs,
    nothing_refused,
    packages_are_empty,
    files_are_short,
    functions_are_short,
]
