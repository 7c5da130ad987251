"""Pictures that an epoch sees several times."""

from sdexp.dataset.pocket import Pocket
from sdexp.dataset.repeats import Repeated


def test_each_picture_comes_as_often_as_it_should() -> None:
    data = Pocket(num_train=3, num_val=1, num_test=2).open("train")
    repeated = Repeated(data, [1, 3, 2])
    names = [data.sample_id(k) for k in range(3)]
    assert [repeated.sample_id(k) for k in range(len(repeated))] == [
        names[0], names[1], f"{names[1]}#2", f"{names[1]}#3", names[2], f"{names[2]}#2",
    ]  # fmt: skip
    assert [repeated.picture_id(k) for k in range(6)] == [
        names[0], *[names[1]] * 3, *[names[2]] * 2
    ]  # fmt: skip
    assert repeated.captions(3) == data.captions(1) and repeated.size(3) == data.size(1)
    assert repeated[5].sample_id == f"{names[2]}#2" and repeated[5].image == data[2].image
    manifests = [Repeated(data, often).manifest() for often in ([1, 3, 2], [1, 2, 3])]
    assert len({*manifests, data.manifest()}) == 3
