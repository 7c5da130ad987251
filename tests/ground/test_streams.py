import subprocess
import sys

import torch

from sdexp.ground.streams import array_stream, stream, stream_seed


def test_the_same_key_gives_the_same_values() -> None:
    a = torch.randn(4, generator=stream(1, "noise", 2, "x"))
    assert torch.equal(a, torch.randn(4, generator=stream(1, "noise", 2, "x")))


def test_every_part_of_the_key_counts() -> None:
    keys = [(1, "noise", 2, "x"), (2, "noise", 2, "x"), (1, "flip", 2, "x"), (1, "noise", 3, "x")]
    keys += [(1, "noise", 2, "y"), (1, "noise", "2x"), (1, "noise", 2)]
    assert len({stream_seed(*key) for key in keys}) == len(keys)


def test_another_process_with_another_hash_seed_agrees() -> None:
    code = "from sdexp.ground.streams import stream_seed; print(stream_seed(7, 'order', 3))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PYTHONHASHSEED": "5"}
    )
    assert int(answer.stdout) == stream_seed(7, "order", 3)


def test_arrays_have_streams_too() -> None:
    assert array_stream(1, "a").integers(1 << 60) == array_stream(1, "a").integers(1 << 60)
    assert array_stream(1, "a").integers(1 << 60) != array_stream(1, "b").integers(1 << 60)
