"""Small runs with weights that can be served, and pictures that can be asked of them."""

import hashlib
import io
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from sdexp.engine.saved import describe
from sdexp.engine.serve.channel import Channel
from sdexp.engine.serve.jobs import Jobs
from sdexp.engine.serve.residents import Residents
from sdexp.ground.build import write_config
from sdexp.ground.records import RunRecord
from sdexp.ground.run import RunFolder
from sdexp.ground.sampling import OWN_NOISE, Sampling
from sdexp.ground.serving import (
    Made,
    MakeGrid,
    MakePictures,
    Prove,
    Proved,
    Report,
    Shot,
    Weights,
    WeightsKind,
    as_bytes,
    decode,
    encode,
)
from sdexp.ground.store import Store
from sdexp.launch.compose import compose
from sdexp.recipes import build_recipes
from tests.conftest import FAST

T = TypeVar("T")
SAMPLING = Sampling("ddim", 2, 2.5, "", 32, 32)


def served_run(path: Path, tiny: str, seed: int, *overrides: str) -> RunFolder:
    """A run of the tiny model with random weights in place of a training."""
    run = RunFolder(path)
    path.mkdir(parents=True)
    config = compose("train", [*FAST, tiny, *overrides]).config
    write_config(run.config, config)
    recipes = build_recipes(config)
    model = recipes.model.load("cpu")
    prints = model.fingerprints()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in recipes.finetune.attach(model).values():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    recipes.finetune.save(model, run.weights)
    saved = describe(run.weights)
    run.write_record(RunRecord(status="finished", base_weights=prints, weights=saved))
    return run


def other_original(tiny: str, folder: Path) -> str:
    """A model that is the tiny one but for its U-Net; the override that takes it."""
    key, _, path = tiny.partition("=")
    copied = Path(shutil.copytree(path, folder))
    file = copied / "unet" / "diffusion_pytorch_model.safetensors"
    save_file({name: 1.5 * t for name, t in load_file(file).items()}, file, {"format": "pt"})
    return f"{key}={copied}"


def copied(run: RunFolder, path: Path) -> RunFolder:
    """A run of one's own, to be spoiled."""
    return RunFolder(Path(shutil.copytree(run.path, path)))


def lose_a_tensor(file: Path) -> None:
    """Write a file of weights again without its first tensor."""
    tensors = load_file(file)
    del tensors[min(tensors)]
    save_file(tensors, file)


def weights_file(run: RunFolder) -> Path:
    (file,) = run.weights.rglob("*.safetensors")
    return file


def weights(run: RunFolder, kind: WeightsKind = "run", name: str = "") -> Weights:
    return Weights(str(run.path), kind, name)


def shot(of: Weights, **changes: Any) -> Shot:
    """A picture of a heart in two steps, but for the changes."""
    usual: dict[str, Any] = {
        "strength": 1.0,
        "prompt": "a big red heart",
        "seed": 3,
        "noise": OWN_NOISE,
        "sampling": SAMPLING,
    }
    return Shot(of, **(usual | changes))


def opened(png: str) -> tuple[np.ndarray, dict[str, str]]:
    """Pixels and texts of the file that a message holds."""
    with Image.open(io.BytesIO(as_bytes(png))) as picture:
        return np.asarray(picture), dict(picture.text)  # type: ignore[attr-defined]


def pixels_sha256(made: Made) -> str:
    return hashlib.sha256(opened(made.png)[0].tobytes()).hexdigest()


class Heard(Channel):
    """Keeps what is reported, as it comes over the wire, and may be told to leave a job."""

    def __init__(self) -> None:
        self._cancelled = set()
        self._cancels_at: int | None = None
        self.reports: list[Report] = []

    def cancel_at(self, count: int | None) -> None:
        """Mark a job to be left once so many reports have been heard."""
        self._cancels_at = count

    def send(self, report: Report) -> None:
        self.reports.append(decode(encode(report)))  # type: ignore[arg-type]
        if self._cancels_at is not None and len(self.reports) >= self._cancels_at:
            self._cancelled.add(report.job)  # type: ignore[union-attr]


@dataclass(frozen=True)
class Runs:
    """Runs that nobody changes: two of the tiny model, and others of it as a whole network, and of
    a model with another U-Net.
    """

    first: RunFolder
    second: RunFolder
    whole: RunFolder
    other: RunFolder


@cache
def runs_of(tiny: str) -> Runs:
    """They are made once and lie beside the model, in a folder of this session."""
    root = Path(tiny.partition("=")[2]).parent / "served"
    return Runs(
        served_run(root / "first", tiny, 1),
        served_run(root / "second", tiny, 2),
        served_run(root / "whole", tiny, 3, "finetune=unet"),
        served_run(root / "other", other_original(tiny, root / "model"), 4),
    )


class Desk:
    """Jobs in this process, and what was heard of the latest one."""

    def __init__(self, store: Store, checker: Any = None) -> None:
        self.heard = Heard()
        self.residents = Residents("cpu", 10**12)
        self.jobs = Jobs(self.heard, self.residents, store, checker)

    def make(self, *shots: Shot) -> list[Made]:
        """What is made of shots, in a job."""
        self.heard.reports.clear()
        self.jobs.pictures(MakePictures("job", [*shots]))
        return self.all_of(Made)

    def make_grid(self, shots: list[Shot], size: int, cell: int) -> list[Made]:
        self.heard.reports.clear()
        self.jobs.grid(MakeGrid("job", shots, size, cell))
        return self.all_of(Made)

    def prove(self, of: Weights) -> Proved:
        self.heard.reports.clear()
        self.jobs.prove(Prove(of))
        (told,) = self.all_of(Proved)
        return told

    def all_of(self, kind: type[T]) -> list[T]:
        """What was heard of a kind."""
        return [report for report in self.heard.reports if isinstance(report, kind)]
