"""What `--help`, `--cfg`, `--version` and the like print."""

import ast
import sys
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path

import hydra
from omegaconf import OmegaConf

from sdexp.ground.errors import ConfigError
from sdexp.launch.arguments import Arguments, quoted
from sdexp.launch.compose import (
    ROOTS,
    Composed,
    compose,
    compose_run,
    quoted_search_path,
    register_schema,
)
from sdexp.launch.files import (
    CONF,
    GLOBAL_GROUPS,
    PACKAGE,
    groups,
    option_file,
    options,
    own_folder,
)

# Options that change what --cfg shows.
BESIDE_CFG = {"--resolve", "--package", "-p"}

CLOSING = (
    "--cfg job prints the composed configuration and starts nothing.",
    "--config-dir=DIR (or SDEXP_CONFIG_DIR) adds your own files to the groups.",
    '"plugins=[PACKAGE]" (or SDEXP_PLUGINS) lets them name classes of a package of yours.',
)


def show(name: str, arguments: Arguments) -> None:
    """Answer an option that only shows something."""
    options_given = [word.split("=")[0] for word in arguments.shows]
    if "--version" in options_given:
        print(f"sdexp {version('sdexp')}")
    elif "--help" in options_given or "-h" in options_given:
        print(help_text(name, compose(name, arguments.overrides)))
    elif set(options_given) <= BESIDE_CFG:
        raise ConfigError(f"{arguments.shows[0]}: shows nothing alone; add it to --cfg job")
    elif arguments.shows in (["--cfg", "job"], ["-c", "job"]):
        overrides = arguments.overrides
        composed = compose_run(overrides) if name == "train" else compose(name, overrides)
        print(OmegaConf.to_yaml(composed.config), end="")
    else:
        _by_hydra(name, arguments)


def _by_hydra(name: str, arguments: Arguments) -> None:
    own = own_folder()
    search = [] if own is None else [quoted_search_path(str(own))]
    overrides = [quoted(override) for override in arguments.overrides]
    sys.argv[1:] = [*arguments.shows, *overrides, *search]
    register_schema(name)
    hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)(lambda cfg: None)()


def doors() -> dict[str, str]:
    """First line of each module at the top that calls itself a door, by name."""
    found = {}
    for file in sorted(PACKAGE.glob("*.py")):
        text = ast.get_docstring(ast.parse(file.read_text())) or ""
        if text.startswith("Door: "):
            found[file.stem] = text.splitlines()[0].removeprefix("Door: ")
    return found


def help_text(name: str, composed: Composed) -> str:
    """The door, its groups, and every key with the comment of its file."""
    root = CONF / f"{name}.yaml"
    head, body = _parts(root)
    chosen = dict(_chosen(name, composed))
    parts = [f"{doors()[name]}\n", *(f"  {line}" for line in head), ""]
    if chosen:
        parts.append("Groups: choose with group=option; metric, backbone and tracker take a list.")
        parts += [f"  {group}: {', '.join(options(group))}" for group in chosen]
        parts.append("")
    parts.append("Keys: override with key=value.")
    parts += body
    for group, files in chosen.items():
        for file in files:
            parts += ["", f"# {group}={file.stem}", *_text(file)]
    parts += ["", *(CLOSING if chosen else CLOSING[:1])]
    return "\n".join(parts)


def _chosen(name: str, composed: Composed) -> list[tuple[str, list[Path]]]:
    """The groups that a door has, with the files behind each choice."""
    own = [field.name for field in fields(ROOTS[name])]
    found = []
    for group in groups():
        if group in own or (group in GLOBAL_GROUPS and name == "train"):
            files = [option_file(group, option) for option in _options_chosen(group, composed)]
            found.append((group, [file for file in files if file is not None]))
    return found


def _options_chosen(group: str, composed: Composed) -> list[str]:
    """One option, or the names of a group that takes a list."""
    if group in composed.choices:
        return [composed.choices[group]]
    takes_list = group in composed.config and group not in GLOBAL_GROUPS
    return [str(name) for name in composed.config[group]] if takes_list else []


def _parts(root: Path) -> tuple[list[str], list[str]]:
    """Comments at the top of a root, and its own keys."""
    lines = root.read_text().splitlines()
    head = [line.removeprefix("# ") for line in lines if line.startswith("#")]
    after = lines[lines.index("defaults:") + 1 :]
    first = next((n for n, line in enumerate(after) if line and line[0] not in " #"), len(after))
    return head, after[first:]


def _text(file: Path) -> list[str]:
    return [line for line in file.read_text().splitlines() if not line.startswith("# @package")]
