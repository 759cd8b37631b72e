"""Coverage-guided fuzzing of the decoder: ``make fuzz``.

libFuzzer mutates films of every kind and keeps what reaches new code. Whatever ``decode`` raises
but an ``ImageError``, a crash, a hang of 10 seconds or 2 GB of memory ends the run, with the input
kept.
"""

import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pneumonia.imaging", "pydicom", "PIL"]):
    from pneumonia.errors import ImageError
    from pneumonia.imaging import Limits, decode

LIMITS = Limits(max_bytes=2**20, max_pixels=1_000_000)


def test_one_input(data: bytes) -> None:
    try:
        radiograph = decode(data, LIMITS)
    except ImageError:
        return
    assert 0 <= radiograph.pixels.min() <= radiograph.pixels.max() <= 1


def write_seeds(folder: Path) -> None:
    from tests.hostile.corpus import FILMS, corpus

    folder.mkdir(parents=True, exist_ok=True)
    films = [*FILMS.items(), *corpus(200, 1)]
    for n, (_, data) in enumerate(films):
        if len(data) < 100_000:
            (folder / f"seed-{n:03}").write_bytes(data)


if __name__ == "__main__":
    write_seeds(Path(sys.argv[1]))
    options = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=100000"]
    atheris.Setup([sys.argv[0], *options, *sys.argv[1:]], test_one_input)
    atheris.Fuzz()
