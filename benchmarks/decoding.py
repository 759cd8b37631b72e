"""``python -m benchmarks.decoding``: what decoding in another process costs, beside decoding here.

Measured in turns. On a machine with other work the least time says more than the median: a process
that waits for another waits for a core, too.
"""

import io
from statistics import median

from PIL import Image

from benchmarks.measure import take_turns
from pneumonia.decoding.decoders import Decoders
from pneumonia.imaging import Limits, Radiograph, decode
from pneumonia.imaging.synthetic import synthetic_radiograph

ROUNDS = 100


def main() -> None:
    decoders = Decoders(Limits())
    for size in ((500, 400), (1200, 1000), (1600, 1400)):
        file = io.BytesIO()
        Image.fromarray(synthetic_radiograph(3, opacity=True, size=size)).save(file, "JPEG")
        data = file.getvalue()

        def apart(data: bytes = data) -> Radiograph:
            with decoders.open(data) as upload:
                return upload.decode()

        def here(data: bytes = data) -> Radiograph:
            return decode(data)

        there_s, here_s = take_turns(apart, here, rounds=ROUNDS, warm_up=10)
        print(f"JPEG of {size[1]} x {size[0]}, {len(data) / 1000:.0f} kB, {ROUNDS} rounds")
        for name, of in (("least", min), ("median", median)):
            a, b = of(there_s) * 1000, of(here_s) * 1000
            print(f"  {name:<7} apart {a:6.2f} ms  here {b:6.2f} ms  {a - b:+5.2f} ms  {a / b:.2f}")
    decoders.close()


if __name__ == "__main__":
    main()
