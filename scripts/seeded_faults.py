"""Plant known faults one by one and see that each turns a test red.

    python scripts/seeded_faults.py [NAME ...]

Works on a copy of the checkout. Ends with 1 when a fault goes unnoticed.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
COPIED = (
    "conf",
    "sdexp",
    "tests",
    "scripts",
    "pyproject.toml",
    "Makefile",
    "README.md",
    "CONTRIBUTING.md",
)


@dataclass(frozen=True)
class Fault:
    """A text of one file, what takes its place, and the test that must notice."""

    file: str
    old: str
    new: str
    test: str


RESUME = "tests/engine/train/test_trainer.py::test_resumed_equals_uninterrupted"
SIGNAL = "tests/engine/train/test_trainer.py::test_a_signal_saves_the_last_finished_step"
CHECKPOINT = "tests/engine/train/test_checkpoint.py"
THREE_SAVES = "test_once_a_checkpoint_is_written_a_good_one_is_always_there"
TWO = "tests/launch/test_processes.py::test_two_processes_do_what_one_does"
FAULTS = {
    "no rename": Fault(
        "sdexp/engine/train/checkpoint.py",
        'temporary = folder / f"{HALF_WRITTEN}{target.name}-{os.getpid()}"',
        "temporary = target",
        f"tests/engine/train/test_kills.py::{THREE_SAVES}",
    ),
    "delete before save": Fault(
        "sdexp/engine/train/checkpoint.py",
        "            _write(temporary, checkpoint)\n",
        "            for old in saved_steps(folder):\n"
        '                _remove(folder / f"{old:06d}")\n'
        "            _write(temporary, checkpoint)\n",
        f"tests/engine/train/test_kills.py::{THREE_SAVES}",
    ),
    "no fsync of the folder": Fault(
        "sdexp/engine/train/checkpoint.py",
        "            temporary.rename(target)\n            sync_folder(folder)\n",
        "            temporary.rename(target)\n",
        CHECKPOINT,
    ),
    "resume without a look at the sums": Fault(
        "sdexp/engine/train/checkpoint.py",
        "            verify(path, step)\n            return step, lines",
        "            return step, lines",
        CHECKPOINT,
    ),
    "manifest of another step": Fault(
        "sdexp/engine/train/checkpoint.py",
        "    if own_step != step:",
        "    if own_step < 0:",
        CHECKPOINT,
    ),
    "counter of the average forgotten": Fault(
        "sdexp/engine/train/state.py",
        '            self.ema.updates = values["ema_step"]\n',
        "",
        f"{RESUME}[overrides0]",
    ),
    "optimizer state forgotten": Fault(
        "sdexp/engine/train/state.py",
        "        restore_optimizer(",
        "        (lambda *_: None)(",
        f"{RESUME}[overrides1]",
    ),
    "a check repeated after resume": Fault(
        "sdexp/engine/train/state.py",
        'self.looked = values["looked"]',
        "self.looked = -1",
        SIGNAL,
    ),
    "log not cut": Fault(
        "sdexp/engine/train/trainer.py",
        "            cut_after(self.run.log, done, self.state.looked)\n",
        "            pass\n",
        RESUME,
    ),
    "nothing saved on a signal": Fault(
        "sdexp/engine/train/trainer.py",
        "            self._save()\n            raise Interrupted",
        "            raise Interrupted",
        SIGNAL,
    ),
    "learning rate times processes": Fault(
        "sdexp/engine/train/update.py",
        "factor = self.factor(step)",
        "factor = self.factor(step) * self.setup.accelerator.num_processes",
        f"{TWO}[lora]",
    ),
    "gradients of one process only": Fault(
        "sdexp/engine/train/update.py",
        "            self._sum_gradients()\n",
        "            pass\n",
        f"{TWO}[unet]",
    ),
    "order of the first epoch replayed": Fault(
        "sdexp/engine/train/batches.py",
        "_permutation(self.seed, self.epoch(step), self.samples)",
        "_permutation(self.seed, 0, self.samples)",
        "tests/engine/train/test_batches.py",
    ),
    "a worker that ends early counts as done": Fault(
        "sdexp/launch/job.py",
        'return Outcome(INTERNAL, f"the worker died',
        'return Outcome(died_of, f"the worker died',
        "tests/launch/test_processes.py::test_a_rank_that_dies_or_hangs_ends_the_job",
    ),
    "pictures of an interrupted evaluation made again": Fault(
        "sdexp/engine/evaluate/evaluation.py",
        "store=Store(folder.partial)",
        "store=Store(folder.partial / str(time.time()))",
        "tests/engine/evaluate/test_evaluation.py",
    ),
    "kohya's files without the scale": Fault(
        "sdexp/finetune/formats.py",
        "torch.tensor(module.scaling[adapter] * rank)",
        "torch.tensor(float(rank))",
        "tests/finetune/test_formats.py",
    ),
    "adapters on layers that SDXL never reads": Fault(
        "sdexp/model/text.py",
        'unread=(last, "final_layer_norm."),',
        "unread=(),",
        "tests/finetune/test_whole.py",
    ),
    "samplers draw from one stream": Fault(
        "sdexp/model/latent_diffusion.py",
        "generator=draws.generators,",
        "generator=None,",
        "tests/model/test_latent_diffusion.py",
    ),
    "a tensor without a gradient trains on": Fault(
        "sdexp/engine/train/update.py",
        "        if state.step == 0:\n            self._check_reached()\n",
        "",
        "tests/engine/train/test_update.py",
    ),
    "a VAE that overflows in half precision": Fault(
        "sdexp/model/latent_diffusion.py",
        "overflows = dtype == torch.float16 and",
        "overflows = dtype == torch.float64 and",
        "tests/model/test_latent_diffusion.py",
    ),
    "raw weights of a checkpoint in place of the average": Fault(
        "sdexp/engine/train/milestones.py",
        'served = tensors["ema" if "ema" in tensors else "trained"]',
        'served = tensors["trained"]',
        "tests/engine/train/test_milestones.py",
    ),
    "the common alpha before that of a layer": Fault(
        "sdexp/finetune/adapters.py",
        "else own + default",
        "else default + own",
        "tests/finetune/test_strategies.py",
    ),
    "other weights under a name that was given": Fault(
        "sdexp/engine/saved.py",
        "if file_sha256(file) != saved.sha256:",
        "if not file_sha256(file):",
        "tests/launch/test_given.py",
    ),
    "other captions of a picture as negatives": Fault(
        "sdexp/objective/clip_contrastive.py",
        "return alike & ~torch.eye",
        "return ~alike & ~torch.eye",
        "tests/objective/test_clip_contrastive.py",
    ),
    "a foreign host is answered": Fault(
        "sdexp/service/guard.py",
        "if _name_of(host) not in self._hosts:",
        "if host and not self._hosts:",
        "tests/service/test_guard.py",
    ),
    "any token will do": Fault(
        "sdexp/service/guard.py",
        "hmac.compare_digest(one.encode(), expected)",
        "bool(one)",
        "tests/service/test_guard.py",
    ),
    "a cancelled job runs on": Fault(
        "sdexp/service/desk.py",
        "            self._process.send(Cancel(job.id))\n",
        "",
        "tests/service/test_desk.py",
    ),
    "a proof outlives its files": Fault(
        "sdexp/service/catalogue.py",
        "if proof is None or facts != files:",
        "if proof is None:",
        "tests/service/test_catalogue.py",
    ),
    "a picture of half the strength as a proof": Fault(
        "sdexp/service/desk.py",
        "if report.differs and job.order.shots[report.picture].strength == 1:",
        "if report.differs:",
        "tests/service/test_desk.py",
    ),
    "the finetuned picture always on the right": Fault(
        "sdexp/service/blind.py",
        "is_first = secrets.randbelow(2) == 0",
        "is_first = True",
        "tests/service/test_blind.py",
    ),
    "weights that stay in": Fault(
        "sdexp/engine/switching.py",
        "            yield\n        finally:\n            swap(self._model, tensors)\n",
        "            yield\n        finally:\n",
        "tests/engine/test_switching.py",
    ),
    "another original under the same key": Fault(
        "sdexp/ground/serving.py",
        "digest(json.dumps(dict(prints), sort_keys=True) if prints else repr(model))",
        'digest("original")',
        "tests/engine/serve/test_residents.py",
    ),
    "states are taken for others' files": Fault(
        "sdexp/engine/serve/residents.py",
        "key = (weights, _files(finetune, folder))",
        "key = (weights, ())",
        "tests/engine/serve/test_residents.py",
    ),
    "a withheld picture is shown": Fault(
        "sdexp/engine/serve/jobs.py",
        "np.zeros_like(found.pixels) if withheld else found.pixels",
        "found.pixels",
        "tests/engine/serve/test_jobs.py",
    ),
}


def is_noticed(fault: Fault, folder: Path) -> bool:
    """Plant it in the copy, run its test, take it back."""
    file = folder / fault.file
    text = file.read_text()
    assert text.count(fault.old) == 1, f"{fault.file} has not exactly one: {fault.old}"
    file.write_text(text.replace(fault.old, fault.new))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", fault.test]
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}
    answer = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    file.write_text(text)
    # 1: a test failed; 2 and more: the tests could not run.
    assert answer.returncode in (0, 1), answer.stdout[-2000:] + answer.stderr[-2000:]
    return answer.returncode == 1


def main(names: list[str]) -> int:
    unnoticed = []
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "main"
        folder.mkdir()
        for name in COPIED:
            source = ROOT / name
            (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / name)
        for name in names or FAULTS:
            noticed = is_noticed(FAULTS[name], folder)
            print(f"{'red ' if noticed else 'MISS'} {name} ({FAULTS[name].test})", flush=True)
            unnoticed += [] if noticed else [name]
    return int(bool(unnoticed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
