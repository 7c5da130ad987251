from sdexp.ground.units import amount, duration


def test_amounts_and_durations_read_well() -> None:
    assert [amount(size) for size in (0, 1234567, 1e9, 2.5e12)] == [
        "0.00 MB", "1.23 MB", "1.00 GB", "2500.00 GB",
    ]  # fmt: skip
    assert [duration(s) for s in (0.4, 89, 90, 5399, 5400)] == [
        "0 s", "89 s", "2 min", "90 min", "1.5 h",
    ]  # fmt: skip
