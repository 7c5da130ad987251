"""Reports of runs, and the files that they point to."""

from pathlib import Path

from sdexp.ground.run import EvaluationFolder, RunFolder
from sdexp.service.found import FoundRun
from sdexp.service.refusals import Refusal

# What a report points to beside pictures, and what browsers are told that it is.
FILES = {
    "report.md": "text/markdown; charset=utf-8",
    "config.yaml": "text/plain; charset=utf-8",
    "run.json": "application/json",
    "scores.json": "application/json",
    "log.jsonl": "text/plain; charset=utf-8",
    "votes.jsonl": "text/plain; charset=utf-8",
    "per_image.parquet": "application/octet-stream",
    "per_prompt.parquet": "application/octet-stream",
    "batches.json": "application/json",
}
REPORT = "report.html"


def report_of(found: FoundRun) -> bytes:
    """The page of a run, written again where people have voted since; raises `Refusal`."""
    run = found.run
    if not run.report_html.is_file():
        raise Refusal(404, f"{found.id}: has no report; python -m sdexp.report writes it")
    if run.votes.is_file() and run.votes.stat().st_mtime > run.report_html.stat().st_mtime:
        from sdexp.pages.run.page import write_report

        write_report(run)
    return run.report_html.read_bytes()


def file_of(found: FoundRun, name: str) -> tuple[bytes, str]:
    """A file that a report points to, and its type; raises `Refusal` for any other name.

    The name is looked up among those that are there: it never becomes part of a path.
    """
    known = _known(found.run)
    if name not in known:
        raise Refusal(404, "no such file of a report")
    file, kind = known[name]
    return file.read_bytes(), kind


def _known(run: RunFolder) -> dict[str, tuple[Path, str]]:
    folders: list[EvaluationFolder] = [run]
    folders += [EvaluationFolder(path) for path in run.evaluations.glob("*/")]
    known = {}
    for folder in folders:
        files = [folder.path / name for name in FILES]
        files += folder.path.glob("images/**/*.png")
        if folder is not run:
            files.append(folder.report_html)
        for file in files:
            if file.is_file():
                name = file.relative_to(run.path).as_posix()
                known[name] = (file, _kind(file))
    return known


def _kind(file: Path) -> str:
    if file.suffix == ".png":
        return "image/png"
    return "text/html; charset=utf-8" if file.name == REPORT else FILES[file.name]
