"""Several comparisons at once."""


def holm(ps: list[float]) -> list[float]:
    """p values of a family, adjusted so that one false alarm among them all stays below its level.

    Holm 1979: sorted upwards, the i-th of K times K - i + 1, never below the one before it, at
    most 1; whatever depends on whatever.
    """
    order = sorted(range(len(ps)), key=lambda i: ps[i])
    adjusted = [0.0] * len(ps)
    highest = 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(ps) - rank) * ps[place]))
        adjusted[place] = highest
    return adjusted
