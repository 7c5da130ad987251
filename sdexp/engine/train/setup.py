"""Everything that a training is made of, before its first step."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch

from sdexp.dataset.base import OpenDataset
from sdexp.engine.data import note_data, open_data
from sdexp.engine.hardware import (
    PROMPT_MEMORY,
    keep_compiled,
    keeps_prompts,
    make_accelerator,
    packs_convolutions,
    uses_channels_last,
)
from sdexp.engine.identity import Identity
from sdexp.engine.train.batches import TrainPictures
from sdexp.engine.train.latents import MomentCache, MomentSource
from sdexp.engine.train.losses import LossOfItems
from sdexp.engine.train.scores import ValidationScores
from sdexp.engine.train.state import TrainingState
from sdexp.engine.train.timetable import Timetable, timetable_of
from sdexp.engine.train.tower import Tower, check_width
from sdexp.engine.train.validation import Validation
from sdexp.ground.config import HardwareConfig, Precision
from sdexp.ground.records import SplitRecord
from sdexp.ground.run import RunFolder
from sdexp.ground.store import Store
from sdexp.ground.streams import stream_seed
from sdexp.model.base import LoadedModel
from sdexp.recipes import Recipes

if TYPE_CHECKING:
    from accelerate import Accelerator
    from torch import nn

DTYPES = {Precision.bf16: torch.bfloat16, Precision.fp16: torch.float16}


@dataclass(frozen=True)
class Setup:
    """Data, model, state and what is computed from them.

    identity: of the original, as it was before anything was attached to it.
    """

    run: RunFolder
    recipes: Recipes
    accelerator: Accelerator
    data: OpenDataset
    timetable: Timetable
    model: LoadedModel
    identity: Identity
    state: TrainingState
    pictures: TrainPictures
    loss_of: LossOfItems
    validation: Validation
    scores: ValidationScores

    def describe_splits(self) -> dict[str, SplitRecord]:
        """Those that the training sees, told and noted; for the main process."""
        opened = {"train": self.data, "val": self.validation.data}
        resolution = self.timetable.resolution
        return {
            split: note_data(self.run, split, data, self.model, resolution)
            for split, data in opened.items()
            if data is not None
        }

    @property
    def is_main(self) -> bool:
        return self.accelerator.is_main_process


def set_up(run: RunFolder, recipes: Recipes, store: Store) -> Setup:
    """Open the data, load the model and attach the strategy."""
    training = recipes.training
    accelerator = make_accelerator(recipes.hardware)
    keep_compiled(store.root.with_name("compiled"))
    data = open_data(run, recipes, "train")
    model = recipes.model.load(str(accelerator.device))
    identity = Identity(model, store)
    timetable = timetable_of(recipes, data, accelerator.num_processes, model.sample_size)
    tower = _tower(recipes, model, store)
    cache = MomentCache(model, store) if training.cache_latents and tower is None else None
    if accelerator.device.type != "cpu":
        # Memory of a GPU has no room for numbers in two types; that of files costs nothing.
        identity.verify()
    state = _state(recipes, model, accelerator, timetable.total, encodes_once=cache is not None)
    _remember_prompts(model, data, timetable)
    dropout = recipes.objective.caption_dropout_rate
    loss_of = LossOfItems(
        model,
        recipes.objective,
        MomentSource(model, cache, partial(identity.verify, ["vae"])),
        tower,
        accelerator,
        training.seed,
    )
    validation = Validation(run, recipes, model, loss_of, accelerator, timetable)
    return Setup(
        run=run,
        recipes=recipes,
        accelerator=accelerator,
        data=data,
        timetable=timetable,
        model=model,
        identity=identity,
        state=state,
        pictures=TrainPictures(data, training, timetable.sizes, dropout, cache),
        loss_of=loss_of,
        validation=validation,
        scores=ValidationScores(recipes, model, accelerator, timetable, store, validation.data),
    )


def attach(recipes: Recipes, model: LoadedModel) -> dict[str, nn.Parameter]:
    """What trains, by name; what is drawn for it comes from the seed of the training."""
    torch.manual_seed(stream_seed(recipes.training.seed, "adapters"))
    return recipes.finetune.attach(model)


def _tower(recipes: Recipes, model: LoadedModel, store: Store) -> Tower | None:
    """The judge of an objective that has one, which sees pictures in place of latents."""
    key = recipes.objective.tower
    if key is None:
        return None
    recipe = recipes.judging.backbones[key]
    check_width(recipe, key, model)
    return Tower(recipe, store, model.device)


def _state(
    recipes: Recipes,
    model: LoadedModel,
    accelerator: Accelerator,
    steps: int,
    encodes_once: bool,
) -> TrainingState:
    """encodes_once: whether what is computed of pictures is kept, in float32 for all precisions."""
    trained = attach(recipes, model)
    hardware = recipes.hardware
    _lay_out(model, hardware, steps)
    if hardware.frozen_dtype != Precision.no:
        model.freeze_in(DTYPES[hardware.frozen_dtype], pictures_too=not encodes_once)
    if hardware.compile:
        model.compile_blocks()
    optimizer = recipes.optimizer.build(parameter_groups(recipes, trained), model.device)
    prepared = accelerator.prepare_optimizer(optimizer)
    return TrainingState(trained, prepared, accelerator.scaler, recipes.training)


def _lay_out(model: LoadedModel, hardware: HardwareConfig, steps: int) -> None:
    """Choose the layouts that suit the device; all parameters are what they will be."""
    model.set_memory(hardware.gradient_checkpointing, uses_channels_last(hardware, model.device))
    every = [p for module in model.modules().values() for p in module.parameters()]
    frozen = sum(p.numel() for p in every if not p.requires_grad)
    if packs_convolutions(hardware, model.device, frozen, steps):
        mixed = hardware.mixed_precision
        model.pack_frozen(torch.float32 if mixed == Precision.no else DTYPES[mixed])


def _remember_prompts(model: LoadedModel, data: OpenDataset, timetable: Timetable) -> None:
    """Let frozen text encoders read each caption once, where that repays."""
    encoders = [m for name, m in model.modules().items() if name.startswith("text_encoder")]
    parameters = [p for encoder in encoders for p in encoder.parameters()]
    if any(p.requires_grad for p in parameters):
        return
    captions = sum(len(data.captions(index)) for index in range(len(data)))
    visits = timetable.total * timetable.order.samples_per_step / captions
    if keeps_prompts(model.device, sum(p.numel() for p in parameters), visits):
        model.remember_prompts(PROMPT_MEMORY)


def parameter_groups(recipes: Recipes, trained: dict[str, nn.Parameter]) -> list[dict[str, Any]]:
    """Parameters by learning rate, in the order of the components; `name` is that of a component.

    All components with the optimizer's own rate share one group.
    """
    groups: dict[float, dict[str, Any]] = {}
    for name, parameter in trained.items():
        component = name.partition(".")[0]
        own = recipes.finetune.learning_rate(component)
        rate = recipes.optimizer.lr if own is None else own
        group = groups.setdefault(rate, {"params": [], "lr": rate, "name": component})
        group["params"].append(parameter)
    return list(groups.values())
