"""Where configuration files lie, and whether a chosen one can be used."""

import os
from pathlib import Path

from yaml import MarkedYAMLError, YAMLError, safe_load

from sdexp.ground.build import did_you_mean
from sdexp.ground.errors import ConfigError
from sdexp.ground.files import named_path

PACKAGE = Path(__file__).parents[1]
CONF = next(path for path in (PACKAGE / "conf", PACKAGE.parent / "conf") if path.is_dir())
# A folder with YAML files of a person's own, in the groups of conf/.
OWN = "SDEXP_CONFIG_DIR"
# Whose files speak of the whole configuration.
PRESETS = ("preset", "model_preset")
GLOBAL_GROUPS = ("experiment", "debug", *PRESETS, "sweep")
HEADER = "# @package _global_"


def own_folder() -> Path | None:
    """The person's own folder; raises `ConfigError` where it is none."""
    value = os.environ[OWN] if OWN in os.environ else ""
    if not value:
        return None
    folder = named_path("--config-dir", value).absolute()
    if not folder.is_dir():
        raise ConfigError(f"--config-dir={value} ({OWN}): no such folder")
    return folder


def folders() -> list[Path]:
    """Where options are looked for, in this order."""
    own = own_folder()
    return [CONF] if own is None else [CONF, own]


def groups() -> list[str]:
    """Names of all groups."""
    return sorted({path.name for top in folders() for path in top.iterdir() if path.is_dir()})


def options(group: str) -> list[str]:
    """Names of a group's options."""
    return sorted({path.stem for top in folders() for path in (top / group).glob("*.yaml")})


def option_file(group: str, option: str) -> Path | None:
    """The file of an option; None where there is none.

    Raises `ConfigError` where a person's own file has the name of one of the package.
    """
    if option not in options(group):
        return None
    named = [top / group / f"{option}.yaml" for top in folders()]
    found = [file for file in named if file.is_file()]
    if len(found) > 1:
        raise ConfigError(f"{found[-1]}: the package has {group}={option} too; rename yours")
    return found[0]


def check_chosen(overrides: list[str]) -> None:
    """Raise `ConfigError` for a chosen file that Hydra would misread or not read."""
    known = groups()
    for override in overrides:
        group, _, value = override.lstrip("+").partition("=")
        if group in known:
            for option in value.strip("[]").split(","):
                _check_option(group, option.strip(" '\""))


def _check_option(group: str, option: str) -> None:
    file = option_file(group, option)
    if file is not None:
        _check_file(file, is_global=group in GLOBAL_GROUPS)
    elif option not in ("", "null"):
        raise ConfigError(no_such_option(group, option))


def no_such_option(group: str, option: str) -> str:
    """What to tell of an option without a file."""
    told = f"{group}={option}: no such option"
    if "/" in option:
        key = f"{group}.pretrained_model_name_or_path"
        return f"{told}; a Hub id or a folder is set by {key}={option}"
    return f"{told}; {did_you_mean(option, options(group))}"


def _check_file(file: Path, is_global: bool) -> None:
    try:
        text = file.read_bytes().decode()
        values = safe_load(text)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: is no UTF-8; save it as UTF-8") from error
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise ConfigError(f"{file}, line {line}: no valid YAML ({error.problem})") from error
    except YAMLError as error:
        raise ConfigError(f"{file}: no valid YAML ({str(error).splitlines()[0]})") from error
    if text.startswith("\ufeff"):
        raise ConfigError(f"{file}: begins with a byte order mark; save it as UTF-8 without one")
    if not isinstance(values, dict):
        raise ConfigError(f"{file}: holds no `key: value`; write at least one")
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    if is_global and first != HEADER:
        raise ConfigError(f"{file}: its first line must be `{HEADER}`")
