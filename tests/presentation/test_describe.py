"""Probabilities as a person reads them."""

import pytest

from pneumonia.presentation.describe import percent


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "< 1 %"),
        (0.0049, "< 1 %"),
        (0.0051, "1 %"),
        (0.93, "93 %"),
        (0.9949, "99 %"),
        (0.9951, "> 99 %"),
        (1.0, "> 99 %"),
    ],
)
def test_a_probability_is_never_shown_as_certain(share: float, text: str) -> None:
    assert percent(share) == text
