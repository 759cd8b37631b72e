"""The synthetic films a visitor can try. Drawn, not taken: no patient stands behind them."""

from functools import lru_cache

from werkzeug.exceptions import NotFound

from pneumonia.imaging.display import encode_png
from pneumonia.imaging.synthetic import synthetic_radiograph
from pneumonia.phrases import phrase

# name -> (title, seed, with an opacity). The model was trained on people, not on drawings: the one
# that ships calls all of them pneumonia. They show how the page works, as the page says.
SAMPLES: dict[str, tuple[str, int, bool]] = {
    "clear-1": (phrase("Synthetic chest, clear lungs"), 31, False),
    "opacity-1": (phrase("Same synthetic chest, one opacity"), 31, True),
    "clear-2": (phrase("Second synthetic chest, clear lungs"), 38, False),
    "opacity-2": (phrase("Second synthetic chest, one opacity"), 38, True),
}
SIZE = (896, 768)
"""Height and width, pixels."""


def sample_png(name: str) -> bytes:
    """The sample as a PNG file. Raises NotFound, the HTTP one."""
    if name not in SAMPLES:
        raise NotFound
    return _draw(name)


@lru_cache(maxsize=len(SAMPLES))
def _draw(name: str) -> bytes:
    _, seed, opacity = SAMPLES[name]
    return encode_png(synthetic_radiograph(seed, opacity=opacity, size=SIZE))
