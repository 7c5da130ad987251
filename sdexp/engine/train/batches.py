"""What is done to each sample before an optimizer step sees it.

All of it is a function of (seed, epoch, sample id), so that batch size, number of processes,
workers and interruptions change nothing.
"""

import signal
from collections.abc import Iterator, Sequence

import torch
from torch.utils.data import DataLoader, Dataset

from sdexp.dataset.base import OpenDataset
from sdexp.engine.images import CENTRE, Square, cut
from sdexp.engine.train.items import Item
from sdexp.engine.train.latents import MomentCache, decode_unless_cached
from sdexp.engine.train.order import AbstractOrder
from sdexp.ground.config import TrainingConfig
from sdexp.ground.streams import stream


class TrainPictures(Dataset[Item]):
    """Prepares samples by (epoch, index): resized, cropped, flipped, with one caption.

    sizes: width and height that each picture is cut to.
    """

    def __init__(
        self,
        data: OpenDataset,
        config: TrainingConfig,
        sizes: Sequence[tuple[int, int]],
        caption_dropout: float,
        cache: MomentCache | None,
    ) -> None:
        self.data = data
        self.config = config
        self.sizes = sizes
        self.caption_dropout = caption_dropout
        self.cache = cache

    def __getitem__(self, key: tuple[int, int]) -> Item:
        epoch, index = key
        sample_id = self.data.sample_id(index)
        caption = self.choose_caption(self.data.captions(index), epoch, sample_id)
        place, flipped = self.placement(epoch, sample_id)

        def decode() -> Square:
            return cut(self.data[index].image, self.sizes[index], place, flipped)

        name = (index, flipped) if self.config.center_crop else None
        view = decode_unless_cached(self.cache, name, decode)
        return Item(epoch, sample_id, self.data.picture_id(index), caption, view)

    def choose_caption(self, captions: tuple[str, ...], epoch: int, sample_id: str) -> str:
        """One of the captions, or the empty one with the dropout's probability."""
        seed = self.config.seed
        dropped = torch.rand((), generator=stream(seed, "caption dropout", epoch, sample_id))
        if dropped < self.caption_dropout:
            return ""
        chosen = torch.randint(
            len(captions), (), generator=stream(seed, "caption", epoch, sample_id)
        )
        return captions[int(chosen)]

    def placement(self, epoch: int, sample_id: str) -> tuple[tuple[float, float], bool]:
        """Where the square lies along the longer side, and whether it is mirrored."""
        seed = self.config.seed
        place = CENTRE
        flipped = False
        if not self.config.center_crop:
            across, down = torch.rand(2, generator=stream(seed, "crop", epoch, sample_id)).tolist()
            place = (across, down)
        if self.config.random_flip:
            draw = torch.rand((), generator=stream(seed, "flip", epoch, sample_id))
            flipped = bool(draw < 0.5)
        return place, flipped


def micro_batches(
    pictures: TrainPictures, order: AbstractOrder, steps: range, rank: int, workers: int
) -> Iterator[list[Item]]:
    """The micro-batches of one process for a range of steps, one after the other."""
    keys = (
        [(order.epoch(step), index) for index in batch]
        for step in steps
        for batch in order.micro_batches(step, rank)
    )
    # With a generator of its own, starting the loader leaves the global one, and so dropout, alone.
    loader = DataLoader(
        pictures,
        batch_sampler=keys,
        num_workers=workers,
        collate_fn=list,
        generator=torch.Generator(),
        worker_init_fn=_leave_signals_to_the_parent,
    )
    yield from loader


def _leave_signals_to_the_parent(_: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
