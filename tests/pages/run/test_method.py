from dataclasses import replace

from sdexp.ground.record_files import read_record, write_record
from sdexp.ground.records import EvaluationRecord
from sdexp.ground.run import RunFolder
from sdexp.pages.run.facts import read_facts
from sdexp.pages.run.method import method
from tests import records
from tests.pages.run.folders import beside, scores

CONFIG = """\
optimizer:
  lr: 0.0001
scheduler:
  name: cosine
training:
  train_batch_size: 4
  gradient_accumulation_steps: 2
  max_grad_norm: 1.0
  seed: 7
  use_ema: true
hardware:
  num_processes: 2
"""


def test_the_paragraph_tells_what_was_done(run: RunFolder) -> None:
    run.config.write_text(records.config_text(CONFIG))
    choices = run.read_record().choices | {"optimizer": "adamw"}
    run.change_record(choices=choices)
    told = method(read_facts(run))
    assert "1,000 of 10,000 parameters: pocket (model), lora (finetune), pocket (dataset)" in told
    assert "on 9 pictures with 45 captions, for 100 optimizer steps of 16 pictures" in told
    assert (
        "The optimizer was adamw at a learning rate of 0.0001; cosine schedule; gradients" in told
    )
    assert "training seed 7; with an exponential moving average" in told
    assert "the same 12 prompts of held-out pictures, from the same noise, with the ddim" in told
    assert "kid over pocket-clip (sha256 bbbbbbbb) against 50 real pictures" in told
    assert "The primary metric is kid, with 0.500 as the smallest difference" in told


def test_what_the_configuration_does_not_say_is_not_told(run: RunFolder) -> None:
    told = method(read_facts(run))
    assert "for 100 optimizer steps (2.00 epochs)" in told and "learning rate" not in told


def test_the_weights_that_were_judged_are_named(run: RunFolder) -> None:
    training = replace(records.TRAINING, best_step=60)
    run.change_record(training=training)
    assert "; what is judged are the weights of step 60." in method(read_facts(run))
    folder = beside(run, "at-40", scores())
    record = read_record(folder.evaluation_record, EvaluationRecord)
    write_record(folder.evaluation_record, replace(record, checkpoint=40))
    assert "the weights of step 40." in method(read_facts(run, folder))


def test_given_pictures_were_not_trained(run: RunFolder) -> None:
    run.change_record(of_folders=True)
    facts = read_facts(run)
    assert facts.scores
    given = replace(facts.scores, sampling=None, fitted="cut to squares of 64 pixels")
    told = method(replace(facts, scores=given))
    assert told.startswith("Two folders of 12 pictures were compared, cut to squares")
    assert method(replace(facts, scores=replace(facts.scores, control="self"))) == ""
