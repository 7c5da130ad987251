"""A data set made ready: fetched, captioned and audited."""

from sdexp.engine.hardware import make_accelerator
from sdexp.engine.prepare.audit import audit
from sdexp.engine.prepare.captioning import write_captions
from sdexp.ground.audit_records import PrepareRequest
from sdexp.ground.progress import say
from sdexp.ground.record_files import write_record
from sdexp.ground.run import RunFolder
from sdexp.recipes import Recipes


def prepare(run: RunFolder, recipes: Recipes, request: PrepareRequest) -> None:
    """Do what is asked for, and write `audit.json` with its tables and pictures."""
    done = []
    if request.fetch:
        done += recipes.dataset.fetch()
    if request.captioner is not None:
        device = str(make_accelerator(recipes.hardware).device)
        done.append(write_captions(recipes.dataset, request, device))
    recipes.dataset.check()
    for line in done:
        say(line)
    record = audit(run, recipes, done)
    write_record(run.audit, record)
    for split, facts in record.splits.items():
        say(f"{split}: {facts.pictures} pictures, {facts.captions} captions")
        for line in facts.warnings:
            say(f"  {line}")
    say(f"near-duplicates between splits: {record.num_twins}")
    for reason, count in record.doubt_counts.items():
        say(f"doubtful captions: {count}: {reason}")
