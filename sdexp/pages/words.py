"""Numbers for a person."""


def number(value: float | None, signed: bool = False) -> str:
    """Four significant figures, never in exponent form for ordinary sizes."""
    if value is None:
        return "-"
    digits = 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3
    if 0 < abs(value) < 0.01:
        digits = 5
    return f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
