"""The films that are sent, of 1.5 megapixels: real ones where the data is, drawn ones elsewhere."""

import io

from PIL import Image

from pneumonia.config import ROOT
from pneumonia.imaging import Limits, open_upload
from pneumonia.imaging.synthetic import synthetic_radiograph

ORIGINALS = ROOT.parent / "shared" / "data" / "originals"
PIXELS = 1_500_000
_SIZE = (1064, 1410)  # height, width


def films(n: int) -> tuple[str, list[bytes]]:
    """What kind they are, in words, and n JPEGs: those whose size is nearest to PIXELS."""
    real = [path.read_bytes() for path in sorted(ORIGINALS.rglob("*.jpeg"))]
    real.sort(key=lambda data: abs(open_upload(data, Limits()).pixels - PIXELS))
    if len(real) >= n:
        return "real films of about 1.5 megapixels", real[:n]
    return "drawn films of 1.5 megapixels", [_draw(seed) for seed in range(n)]


def _draw(seed: int) -> bytes:
    buffer = io.BytesIO()
    drawn = synthetic_radiograph(seed, opacity=seed % 2 == 1, size=_SIZE)
    Image.fromarray(drawn).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
