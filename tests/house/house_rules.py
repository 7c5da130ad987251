"""The house rules as functions: each takes the folder of a package and names what breaks it."""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

PACKAGE = "sdexp"
DOORS = ("train", "evaluate", "generate", "export", "prepare", "report", "store", "app")
# What lies at the top beside the doors.
TOP = ("__main__", "api", "recipes", "worker")
PARTS = (
    "model",
    "finetune",
    "dataset",
    "objective",
    "optimizer",
    "backbone",
    "metric",
    "tracker",
)
CONFIG_MODULES = ("ground/config.py", "ground/build.py")
BELOW_PARTS = {"stats", "ground"}
BELOW_RECIPES = {*PARTS, *BELOW_PARTS}
BELOW_ENGINE = {"recipes", *BELOW_RECIPES}
BELOW_LAUNCH = {"pages/prepare", "pages/run", "pages/sweep", *BELOW_ENGINE}
# From the top down: a room may import from itself and from the rooms that its line names.
ROOMS: dict[str, set[str]] = {
    **{door: {"launch", *BELOW_LAUNCH} for door in DOORS},
    "app": {"service", "launch", "ground"},
    "__main__": {"launch"},
    "api": {"train", "evaluate", "launch", "engine", *BELOW_LAUNCH},
    "service": {"launch", "pages", *BELOW_LAUNCH},
    "launch": BELOW_LAUNCH,
    "worker": {
        "engine",
        "engine/train",
        "engine/evaluate",
        "engine/generate",
        "engine/plan",
        "engine/prepare",
        *BELOW_ENGINE,
    },
    # The process that owns the models of the service.
    "engine/serve": {"engine/train", "engine/evaluate", "engine/generate", "engine", *BELOW_ENGINE},
    "engine/plan": {"engine/train", "engine/evaluate", "engine", *BELOW_ENGINE},
    "engine/prepare": {"engine/train", "engine", *BELOW_ENGINE},
    # A training may ask how good its pictures are.
    "engine/train": {"engine/evaluate", "engine", *BELOW_ENGINE},
    "engine/generate": {"engine/evaluate", "engine", *BELOW_ENGINE},
    "engine/evaluate": {"engine", *BELOW_ENGINE},
    "engine": BELOW_ENGINE,
    "recipes": BELOW_RECIPES,
    "pages/sweep": {"pages/run", "pages", "stats", "ground"},
    "pages/prepare": {"pages", "ground"},
    "pages/run": {"pages", "stats", "ground"},
    "pages": {"ground"},
    **{part: BELOW_PARTS for part in PARTS},
    "stats": set(),
    "ground": set(),
    "assets": set(),
}
# What has no behaviour of its own: abstract parts, errors and plain values.
UNTESTED = {f"{part}/base.py" for part in ("dataset", "model", "objective", "tracker")}
UNTESTED |= {
    "engine/generate/layout.py",
    "engine/train/items.py",
    "ground/errors.py",
    "ground/sampling.py",
    "launch/roots.py",
    "service/refusals.py",
}
DESERIALISERS = {"pickle", "cloudpickle", "dill", "marshal", "shelve"}
LONGEST_FILE = 300
LONGEST_USUAL_FUNCTION = 20
LONGEST_FUNCTION = 40


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


def room_of(path: str) -> str:
    """The room that a file lives in: its folder where that has a line of its own, or its name."""
    folders = path.removesuffix(".py").split("/")
    deep = "/".join(folders[:2])
    return deep if len(folders) > 2 and deep in ROOMS else folders[0]


def only_doors_at_the_top(root: Path) -> list[str]:
    """The top level holds doors, recipes, worker and nothing else."""
    allowed = {*DOORS, *TOP, "__init__"}
    return [f"{f.name}: no door" for f in sorted(root.glob("*.py")) if f.stem not in allowed]


def imports_point_down(root: Path) -> list[str]:
    """Each room knows those below it; parts of sibling folders meet through `base.py` only."""
    faults = []
    modules = {path for path, _ in sources(root)}
    for path, tree in sources(root):
        if path == "__init__.py":
            continue
        room = room_of(path)
        for line, name in imported(path, tree):
            target = module_of(modules, name)
            if target and not _may_import(room, target):
                faults.append(f"{path}:{line}: {room} imports {name}")
    return faults


def _may_import(room: str, target: str) -> bool:
    to = room_of(target)
    meets = room in PARTS and to in PARTS and target == f"{to}/base.py"
    return to == room or to in ROOMS[room] or meets


def module_of(modules: set[str], name: str) -> str | None:
    """The file of the package that a dotted name leads to; None for what is not ours."""
    words = name.split(".")
    if words[0] != PACKAGE or len(words) == 1:
        return None
    for length in range(len(words), 1, -1):
        stem = "/".join(words[1:length])
        for candidate in (f"{stem}.py", f"{stem}/__init__.py"):
            if candidate in modules:
                return candidate
    return f"{words[1]}.py"


def no_cycles(root: Path) -> list[str]:
    """No module reaches itself, also not by an import inside a function or for types only."""
    modules = {path for path, _ in sources(root)}
    arrows = {
        path: {module_of(modules, name) for _, name in imported(path, tree)} - {None, path}
        for path, tree in sources(root)
    }
    return [f"{path}: imports itself by way of others" for path in arrows if _reaches(arrows, path)]


def _reaches(arrows: dict[str, set[str | None]], path: str) -> bool:
    seen: set[str | None] = set()
    waiting = list(arrows[path])
    while waiting:
        at = waiting.pop()
        if at == path:
            return True
        if at in arrows and at not in seen:
            seen.add(at)
            waiting += arrows[at]
    return False


def hydra_stays_upstairs(root: Path) -> list[str]:
    """`hydra` and `omegaconf` are known to doors, `launch/` and the configuration's modules."""
    return [
        f"{path}:{line}: imports {name}"
        for path, tree in sources(root)
        if room_of(path) not in (*DOORS, "launch") and path not in CONFIG_MODULES
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
    """Nine in ten functions have at most 20 lines, else the long ones are named; none has 41."""
    lengths = {
        f"{path}:{node.lineno}: {node.name}": node.end_lineno - node.lineno + 1
        for path, tree in sources(root)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno
    }
    long = [name for name, length in lengths.items() if length > LONGEST_USUAL_FUNCTION]
    too_long = [name for name, length in lengths.items() if length > LONGEST_FUNCTION]
    named = long if len(long) * 10 > len(lengths) else too_long
    return [f"{name}: {lengths[name]} lines" for name in named]


def nothing_is_packed(root: Path) -> list[str]:
    """One assignment a line, and no place where the formatter is switched off."""
    faults = [
        f"{file.relative_to(root)}: fmt: skip"
        for file in sorted(root.rglob("*.py"))
        if "# fmt: " in file.read_text()
    ]
    for path, tree in sources(root):
        faults += [
            f"{path}:{node.lineno}: several values assigned at once"
            for node in ast.walk(tree)
            if isinstance(node, ast.Assign) and _is_packed(node)
        ]
    return faults


def _is_packed(node: ast.Assign) -> bool:
    targets = node.targets[0]
    both = isinstance(targets, ast.Tuple) and isinstance(node.value, ast.Tuple)
    return both or len(node.targets) > 1


def every_module_has_tests_of_its_name(root: Path) -> list[str]:
    """Beside the package lie the tests, with a file `test_<name>.py` for each module's `<name>.py`.

    What stands in `UNTESTED` has none.
    """
    faults = []
    names = {file.relative_to(root).as_posix(): file for file in sorted(root.rglob("*.py"))}
    for path, file in names.items():
        folder = root.parent / "tests" / file.relative_to(root).parent
        has_tests = (folder / f"test_{file.stem.strip('_')}.py").is_file()
        is_exempt = path in UNTESTED or file.name == "__init__.py"
        if not (has_tests or is_exempt):
            faults.append(f"{path}: no tests of its name")
        elif has_tests and path in UNTESTED:
            faults.append(f"{path}: has tests and stands in UNTESTED")
    return faults


RULES: list[Callable[[Path], list[str]]] = [
    only_doors_at_the_top,
    imports_point_down,
    no_cycles,
    hydra_stays_upstairs,
    nothing_refused,
    packages_are_empty,
    files_are_short,
    functions_are_short,
    nothing_is_packed,
    every_module_has_tests_of_its_name,
]
