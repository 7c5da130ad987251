from sdexp.pages.words import number


def test_numbers_read_well() -> None:
    values = {1234.56: "1234.6", 24.1: "24.10", 3.14159: "3.142", 0.004567: "0.00457", 0.0: "0.000"}
    assert {value: number(value) for value in values} == values
    assert number(-0.5, signed=True) == "-0.500" and number(None) == "-"
