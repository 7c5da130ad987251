"""Scenes for the pocket weights, disjoint from those of `dataset=pocket`."""

from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import torch
from torch import Tensor

from sdexp.dataset.scenes import LOOKS, captions, draw, make_scene, name_look

FIT_SEEDS = range(1_000_000, 1_004_000)
MORE_FIT_SEEDS = range(1_000_000, 1_008_000)
HELD_OUT_SEEDS = range(2_000_000, 2_000_500)


def _draw(seed: int, look: str) -> np.ndarray:
    return np.asarray(draw(make_scene(seed), look))


def pictures(seeds: range, look: str) -> Tensor:
    """uint8 [N, 3, 64, 64] of the scenes in one look."""
    with ProcessPoolExecutor(2) as pool:
        drawn = list(pool.map(partial(_draw, look=look), seeds, chunksize=100))
    return torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2).contiguous()


def pool(looks: tuple[str, ...] = LOOKS, seeds: range = FIT_SEEDS) -> Tensor:
    """uint8 [looks, N, 3, 64, 64]: every scene for fitting in every look."""
    return torch.stack([pictures(seeds, look) for look in looks])


def to_signed(images: Tensor) -> Tensor:
    """uint8 to float in [-1, 1]."""
    return images.float() / 127.5 - 1


def caption_table(look: str, named: bool, seeds: range = FIT_SEEDS) -> list[list[str]]:
    """For each scene for fitting its captions; `named`: with the look, before and after."""
    rows = []
    for seed in seeds:
        bare = captions(make_scene(seed))
        if named:
            rows.append(
                [name_look(caption, look, prefix) for caption in bare for prefix in (True, False)]
            )
        else:
            rows.append(list(bare))
    return rows
