"""The synthetic films a visitor can try. Drawn, not taken: no patient stands behind them."""

from functools import lru_cache

from werkzeug.exceptions import NotFound

from pneumonia.imaging.display import encode_png
from pneumonia.imaging.synthetic import synthetic_film

# name -> (title, seed, with an opacity)
SAMPLES: dict[str, tuple[str, int, bool]] = {
    "clear-1": ("Synthetic film, clear lungs", 1, False),
    "opacity-1": ("Synthetic film, one opacity", 2, True),
    "clear-2": ("Another synthetic film, clear lungs", 3, False),
    "opacity-2": ("Another synthetic film, one opacity", 4, True),
}
SIZE = (768, 896)
"""Height and width, pixels."""


def sample_png(name: str) -> bytes:
    """The sample as a PNG file. Raises NotFound, the HTTP one."""
    if name not in SAMPLES:
        raise NotFound
    return _draw(name)


@lru_cache(maxsize=len(SAMPLES))
def _draw(name: str) -> bytes:
    _, seed, opacity = SAMPLES[name]
    return encode_png(synthetic_film(seed, opacity=opacity, size=SIZE))
