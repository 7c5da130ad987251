import pytest

from sdexp.ground.picture_requests import FINETUNED, ORIGINAL, Fillers, GridConfig, Variant


def test_the_original_has_no_strength() -> None:
    assert ORIGINAL.is_original and not FINETUNED.is_original
    assert not Variant("step 5", 5).is_original


@pytest.mark.parametrize(
    ("size", "cell", "told"),
    [
        (7, 140, "grid.size=7: allowed is an even number, such as 8"),
        (0, 140, "grid.size=0: allowed is 2 to 32"),
        (8, 3, "grid.cell=3: allowed is 32 to 1024"),
    ],
)
def test_grids_have_blocks_of_four(size: int, cell: int, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        GridConfig("a", Fillers.prompts, size, cell)
