"""Words around captions, and a sample for each caption."""

from typing import Any

import pytest

from sdexp.dataset.base import SampleUnit
from sdexp.dataset.pocket import Pocket
from sdexp.dataset.words import Words, open_samples


def pocket(**words: Any) -> Pocket:
    return Pocket(num_train=5, num_val=2, num_test=2, **words)


def test_words_are_put_around_every_caption() -> None:
    plain = open_samples(pocket(), "test")
    worded = open_samples(pocket(caption_prefix="a photo, ", caption_suffix=" ."), "test")
    assert worded.captions(1) == tuple(f"a photo, {one} ." for one in plain.captions(1))
    assert worded[1].captions == worded.captions(1) and worded[1].image == plain[1].image
    assert worded.sample_id(1) == worded.picture_id(1) == plain.sample_id(1)
    assert worded.size(1) == plain.size(1) == plain[1].image.size
    assert worded.manifest() != plain.manifest() == open_samples(pocket(), "test").manifest()


@pytest.mark.parametrize(
    "trigger, caption",
    [("sks", "sks, {}"), ("RED", "{}"), ("", "{}")],
)
def test_a_trigger_is_said_once(trigger: str, caption: str) -> None:
    said = Words(trigger, "<", ">").put("a red circle")
    assert said == f"<{caption.format('a red circle')}>"


def test_an_epoch_may_see_every_caption() -> None:
    pictures = open_samples(pocket(), "train")
    by_caption = open_samples(pocket(sample_unit=SampleUnit.caption, trigger="sks"), "train")
    assert len(by_caption) == sum(len(pictures.captions(k)) for k in range(5)) > 5
    ids = [by_caption.sample_id(k) for k in range(len(by_caption))]
    assert len(set(ids)) == len(ids) and ids[0] == f"{pictures.sample_id(0)}#0"
    assert by_caption.picture_id(0) == by_caption.picture_id(1) == pictures.sample_id(0)
    assert by_caption.captions(1) == (f"sks, {pictures.captions(0)[1]}",)
    sample = by_caption[1]
    assert sample.sample_id == ids[1] and sample.image == pictures[0].image
    assert by_caption.size(1) == (64, 64) and by_caption.manifest() != pictures.manifest()
    # What is held out has a prompt for each picture.
    assert len(open_samples(pocket(sample_unit=SampleUnit.caption), "test")) == 2
