import numpy as np
import pytest

from sdexp.engine.generate.mosaic import mosaic, offsets


def test_the_geometry_is_the_published_one() -> None:
    *places, length = offsets(8, 140)
    gaps = [b - a - 140 for a, b in zip(places, places[1:], strict=False)]
    assert places[0] == 15 and gaps == [4, 10, 4, 10, 4, 10, 4]
    assert length == 15 + 8 * 140 + sum(gaps) + 15
    # 8 cells of 139.5 pixels made 1189.
    assert length / 140 == pytest.approx(1189 / 139.5, rel=0.01)


@pytest.mark.parametrize("cells", [2, 4])
def test_blocks_are_filled_row_by_row(cells: int) -> None:
    pictures = [np.full((16, 16, 3), number, np.uint8) for number in range(cells**2)]
    sheet = mosaic(pictures, cells, 32)
    places = offsets(cells, 32)[:-1]
    middles = [[int(sheet[row + 16, column + 16, 0]) for column in places] for row in places]
    if cells == 2:
        assert middles == [[0, 1], [2, 3]]
    else:
        assert middles == [[0, 1, 4, 5], [2, 3, 6, 7], [8, 9, 12, 13], [10, 11, 14, 15]]
    assert (sheet[:, :1] == 255).all() and sheet.shape[0] == sheet.shape[1]
