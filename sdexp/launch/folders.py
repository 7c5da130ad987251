"""The comparison of given pictures: three folders in place of a run."""

import shlex
import shutil

from sdexp.ground.assets import hub_is_reachable
from sdexp.ground.build import Config, typed, write_config
from sdexp.ground.errors import ConfigError, DataError
from sdexp.ground.files import make_folder, named_path
from sdexp.ground.folders import SUFFIXES, FoldersConfig, picture_files
from sdexp.ground.pending import now
from sdexp.ground.plugins import trusted
from sdexp.ground.records import RunRecord
from sdexp.ground.run import RunFolder, new_run_folder
from sdexp.launch.arguments import Arguments
from sdexp.launch.compose import compose
from sdexp.launch.door import tell_warnings
from sdexp.launch.freeze import OUTPUTS, commit
from sdexp.launch.job import REFUSED, run_stages, status_of, write_page
from sdexp.metric.judging import Judging
from sdexp.recipes import build_judging


def names_folders(overrides: list[str]) -> bool:
    """Whether a command of `evaluate` names pictures instead of a run."""
    return any(override.startswith("pictures.") for override in overrides)


def evaluate_folders(arguments: Arguments) -> int:
    """Score the pictures of two folders, in a new folder; returns the exit code."""
    given = [o for o in arguments.overrides if o.startswith("run=")]
    if given:
        raise ConfigError(f"{given[0]} beside pictures.*: name a run or folders of pictures")
    config = compose("evaluate", arguments.overrides).config
    folders = typed("pictures", FoldersConfig, config.pictures)
    judging = build_judging(config)
    _check(folders, judging)
    missing = judging.missing_files(judging.used, hub_is_reachable())
    if missing:
        raise DataError("\n".join(missing))
    warnings = judging.warnings()
    tell_warnings(warnings)
    run = _folder(config)
    with run.lock() as lock:
        print(f"evaluation folder: {run.path}", flush=True)
        command = shlex.join(["python", "-m", "sdexp.evaluate", *arguments.words])
        run.write_record(_record(command, warnings))
        write_config(run.config, config)
        outcome = run_stages(run, ["folders"], 1, lock)
        if outcome.exit_code in REFUSED:
            shutil.rmtree(run.path)
            print("nothing was evaluated; the folder is removed", flush=True)
            return outcome.exit_code
        run.change_record(
            status=status_of(outcome),
            exit_code=outcome.exit_code,
            reason=outcome.reason,
            ended=now(),
        )
        write_page(run)
    print(f"report: {run.report_html}", flush=True)
    return outcome.exit_code


def _folder(config: Config) -> RunFolder:
    """A new folder, or the empty one that was named."""
    if config.run_dir is None:
        return new_run_folder(OUTPUTS, "pictures")
    run = RunFolder(named_path("run_dir", config.run_dir))
    if run.holds_other_files():
        raise ConfigError(f"run_dir={run.path}: holds files; name a new or empty folder")
    make_folder(run.path)
    return run


def _record(command: str, warnings: list[str]) -> RunRecord:
    return RunRecord(
        command=command,
        status="running",
        stage="evaluate",
        started=now(),
        of_folders=True,
        plugins=trusted(),
        warnings=warnings,
        git=commit(),
    )


def _check(folders: FoldersConfig, judging: Judging) -> None:
    """Raise for folders that are missing, or whose pictures have no partner."""
    for side in ("original", "finetuned"):
        if side not in folders.named:
            raise ConfigError(f"pictures.{side}: a value is missing; name a folder of pictures")
    needing = judging.held_against_real
    if needing and "reference" not in folders.named:
        raise ConfigError(
            f"pictures.reference: a value is missing; metric {needing[0]} holds pictures against "
            "real ones: name their folder or leave the metric out"
        )
    found = {side: _names(side, path) for side, path in folders.named.items()}
    for side in ("finetuned", *(["reference"] if "reference" in found else [])):
        alone = sorted(found["original"] ^ found[side])
        if side == "reference":
            # Other real pictures may stand beside those of the prompts.
            alone = sorted(found["original"] - found[side])
        if alone:
            raise DataError(
                f"pictures.{side}={folders.named[side]}: {len(alone)} pictures have no partner "
                f"(first: {alone[0]}); pictures are paired by their names"
            )


def _names(side: str, value: str) -> set[str]:
    """Names of a folder's pictures, without their suffix."""
    folder = named_path(f"pictures.{side}", value)
    if not folder.is_dir():
        raise ConfigError(f"pictures.{side}={value}: no such folder")
    files = picture_files(folder)
    if not files:
        raise DataError(
            f"pictures.{side}={value}: holds no picture ({', '.join(sorted(SUFFIXES))})"
        )
    return set(files)
