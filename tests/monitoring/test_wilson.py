"""The interval of a share, against published values."""

import math

import pytest

from pneumonia.monitoring.wilson import wilson


def test_wilson_against_published_values() -> None:
    """Newcombe 1998 (Statistics in Medicine 17:857), table I, method 3."""
    for successes, n, low, high in [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ]:
        assert wilson(successes, n) == pytest.approx((low, high), abs=5e-5)


def test_wilson_at_the_ends() -> None:
    assert wilson(0, 10)[0] == 0.0
    assert wilson(10, 10)[1] == 1.0
    assert wilson(10, 10)[0] == pytest.approx(1 - wilson(0, 10)[1])
    assert all(math.isnan(v) for v in wilson(0, 0))
    with pytest.raises(ValueError, match="successes must be 0 to n, not 3 of 2"):
        wilson(3, 2)
