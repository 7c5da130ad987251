"""One line from Hydra's many."""

import difflib
import re
from dataclasses import dataclass

from hydra.errors import OverrideParseException
from yaml import MarkedYAMLError

from sdexp.ground.build import did_you_mean
from sdexp.launch.files import groups, no_such_option

TELLING = ("Value ", "Invalid ", "Config group override", "Cannot ", "Incompatible")
# Words of other tools, with what they are called here.
SYNONYMS = {
    "batch_size": "training.train_batch_size",
    "lr": "optimizer.lr",
    "learning_rate": "optimizer.lr",
    "r": "finetune.rank",
    "lora_rank": "finetune.rank",
    "alpha": "finetune.lora_alpha",
    "epochs": "training.num_train_epochs",
    "steps": "training.max_train_steps",
    "max_steps": "training.max_train_steps",
    "seed": "training.seed",
    "output_dir": "run_dir",
    "data_dir": "dataset.data_dir, with dataset=imagefolder",
    "dataset_name": "dataset=imagefolder dataset.data_dir",
    "pretrained_model": "model.pretrained_model_name_or_path",
}
LIST = "a list is written [1,2]"


@dataclass(frozen=True)
class Command:
    """What was composed: the door's name, its overrides, and every key with its value."""

    door: str
    overrides: list[str]
    known: dict[str, object]


def explain(error: BaseException, command: Command) -> str:
    """What is wrong, with the key that a person has to change."""
    text = _with_causes(error)
    if isinstance(error, MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"{mark.name}, line {mark.line + 1}: no valid YAML ({error.problem})"
    if isinstance(error, OverrideParseException):
        return _unparsed(error.override)
    if isinstance(error, RecursionError):
        return f"{' '.join(command.overrides)}: a file names itself in its defaults list"
    for rule in (_unreadable, _unknown, _unchosen, _unfit):
        line = rule(text, command)
        if line:
            return line
    return _told(text, command)


def _with_causes(error: BaseException) -> str:
    """The texts of an error and of what caused it."""
    texts = []
    current: BaseException | None = error
    while current is not None:
        texts.append(str(current))
        current = current.__cause__ or current.__context__
    return "\n".join(texts)


def _unreadable(text: str, command: Command) -> str:
    """Overrides that are not written as they must be."""
    if match := re.search(r"(?:Ambiguous value for argument|Sweep parameters) '([^']*)'", text):
        key = match[1].partition("=")[0].lstrip("+")
        is_list = isinstance(command.known.get(key), list)
        if is_list or command.door != "train":
            return f"{match[1]}: {LIST}; one value with commas is quoted: '{key}=\"...\"'"
        return f"{match[1]}: several values are a sweep: add -m; one value with commas is quoted"
    return ""


def _unparsed(override: str) -> str:
    """An override that Hydra's grammar does not have."""
    key, _, value = override.partition("=")
    if key and value:
        return f"{override}: cannot be read; quote the value: '{key}=\"{value}\"'"
    return f"{override}: cannot be read; values are given as key=value"


def _unknown(text: str, command: Command) -> str:
    """Options and keys that are not there."""
    if match := re.search(r"(?:In '([^']+)': )?Could not (?:find|load) '([^']+)'", text):
        where = match[1] if match[1] != command.door else None
        return _no_such_option(match[2], where)
    if match := re.search(r"Could not delete from config. '([^']+)'", text):
        return f"~{match[1]}: cannot be left out"
    match = re.search(r"Could not override '([^']+)'", text)
    if match and match[1] not in command.known:
        return no_such_key(match[1], None, command)
    if match := re.search(r"Key '([^']+)' (?:is )?not in '?(\w+)", text):
        full = re.search(r"full_key: (\S+)", text)
        where = re.search(r"In '([^']+)'", text)
        return no_such_key(full[1] if full else match[1], where[1] if where else None, command)
    return ""


def _unchosen(text: str, command: Command) -> str:
    if "Config group override must be a string or a list" not in text:
        return ""
    nameless = [override for override in command.overrides if override.startswith("=")]
    if nameless:
        return _unparsed(nameless[0])
    known = groups()
    empty = [
        override
        for override in command.overrides
        if override.endswith(("=null", "=")) and override.partition("=")[0] in known
    ]
    return f"{', '.join(empty)}: nothing is chosen; name an option"


def _unfit(text: str, command: Command) -> str:
    """Values of a kind that the key cannot have."""
    full = re.search(r"full_key: (\S+)", text)
    there = re.search(r"An item is already at '([^']+)'", text)
    if there:
        return f"+{there[1]}: the key is there already; leave out the +"
    if full is None:
        return ""
    given = _with_value(full[1], command.overrides)
    if "does not support deletion" in text:
        return f"~{full[1]}: cannot be left out"
    if "is not Optional" in text:
        return f"{given}: needs a value"
    if "is not a subclass of" in text:
        inside = [key for key in command.known if key.startswith(f"{full[1]}.")]
        return f"{given}: holds other keys, such as {inside[0]}"
    if "is not a ListConfig" in text:
        return f"{given}: {LIST}"
    return ""


def _told(text: str, command: Command) -> str:
    """Hydra's own words, as far as they help, with the key."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    full = re.search(r"full_key: (\S+)", text)
    reason = next((line for line in lines if line.startswith(TELLING)), lines[0])
    where = re.search(r"In '([^']+)'", text)
    prefix = f"{where[1]}.yaml: " if where and where[1] != command.door else ""
    if full:
        return f"{prefix}{_with_value(full[1], command.overrides)}: {reason}"
    return f"{prefix}{reason}"


def _with_value(key: str, overrides: list[str]) -> str:
    given = [override for override in overrides if override.lstrip("+~").startswith(f"{key}=")]
    return given[-1] if given else key


def _no_such_option(option: str, where: str | None) -> str:
    group, _, choice = option.partition("/")
    prefix = f"{where}.yaml: " if where else ""
    if group not in groups() or not choice:
        return f"{prefix}{option}: no such group; {did_you_mean(group, groups())}"
    return f"{prefix}{no_such_option(group, choice)}"


def no_such_key(key: str, where: str | None, command: Command) -> str:
    """A line about an unknown key, with the likeliest known one."""
    prefix = f"{where}.yaml: " if where and where != command.door else ""
    return f"{prefix}{key}: no such key; {_hint(key, command)}"


def _hint(key: str, command: Command) -> str:
    last = key.rpartition(".")[2]
    if command.door == "train" and last in SYNONYMS and key != SYNONYMS[last]:
        return f"did you mean '{SYNONYMS[last]}'?"
    known = sorted(k for k in command.known if not k.endswith("_target_"))
    inside = key.rpartition(".")[0]
    if inside in command.known and command.known[inside] == {}:
        return f"it holds keys of your own: +{key}=..."
    section = f"{inside}."
    siblings = [k for k in known if k.startswith(section)]
    near = difflib.get_close_matches(key.removeprefix(section), _leaves(siblings), n=1)
    found = [f"{section}{near[0]}"] if near else [k for k in known if _leaves([k]) == [last]]
    found = found or ([] if siblings else difflib.get_close_matches(key, known, n=1))
    if found:
        return f"did you mean '{found[0]}'?"
    return f"allowed: {', '.join(siblings)}" if siblings else "see --cfg job for all keys"


def _leaves(keys: list[str]) -> list[str]:
    return [key.rpartition(".")[2] for key in keys]
