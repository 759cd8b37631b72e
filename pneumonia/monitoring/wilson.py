"""The interval of a share: the one rule for shares of films, here and in training."""

from math import nan, sqrt

Z95 = 1.959963984540054  # the 97.5 % quantile of the standard normal distribution


def wilson(successes: int, n: int) -> tuple[float, float]:
    """95 % score interval of a proportion (Wilson 1927), in [0, 1]; (nan, nan) for n = 0.

    It holds for few films and for proportions near 0 and 1, where p +- 1.96 se does not. It takes
    films as independent.
    """
    if not 0 <= successes <= n:
        raise ValueError(f"successes must be 0 to n, not {successes} of {n}")
    if n == 0:
        return nan, nan
    p, z2 = successes / n, Z95**2
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 / (1 + z2 / n) * sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    # At the ends the exact bound is 0 or 1, which rounding would miss by 1e-17.
    return (
        0.0 if successes == 0 else max(0.0, centre - half),
        1.0 if successes == n else min(1.0, centre + half),
    )
