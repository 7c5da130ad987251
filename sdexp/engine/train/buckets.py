"""Aspect buckets: sizes of nearly the same area, so that pictures keep most of their shape."""

import math
from collections.abc import Sequence

from sdexp.ground.config import BucketConfig
from sdexp.ground.errors import ConfigError

Size = tuple[int, int]


def bucket_sizes(config: BucketConfig, resolution: int) -> list[Size]:
    """Widths and heights in pixels, each a multiple of the steps, none of a larger area.

    Raises `ConfigError` where the square of that resolution is not among what is allowed.
    """
    steps = config.bucket_reso_steps
    least = config.min_bucket_reso
    most = config.max_bucket_reso
    if not least <= resolution <= most or resolution % steps:
        raise ConfigError(
            f"training.bucket: the resolution of {resolution} must lie between min_bucket_reso="
            f"{least} and max_bucket_reso={most} and be a multiple of bucket_reso_steps={steps}"
        )
    sizes = {(resolution, resolution)}
    for width in range(-(-least // steps) * steps, most + 1, steps):
        height = min(most, resolution**2 // width) // steps * steps
        if height >= least:
            sizes |= {(width, height), (height, width)}
    return sorted(sizes)


def nearest(size: Size, sizes: Sequence[Size]) -> int:
    """The bucket whose shape a picture is nearest to; of two as near the larger one."""

    def distance(place: int) -> tuple[float, int]:
        width, height = sizes[place]
        apart = abs(math.log(size[0] / size[1]) - math.log(width / height))
        return round(apart, 9), -width * height

    return min(range(len(sizes)), key=distance)
