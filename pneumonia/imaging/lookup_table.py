"""A lookup table as DICOM writes one (PS3.3 C.7.6.3.1.5, C.11.1.1.1, C.11.2.1.1)."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False, slots=True)
class LookupTable:
    """Outputs (float32), the first input that is mapped, and the largest possible output."""

    outputs: Floats
    first: int
    top: int

    @classmethod
    def read(cls, descriptor: Any, data: Any, *, signed: bool, little: bool) -> Self:
        """The table of a LUT Descriptor and LUT Data.

        Parameters
        ----------
        data
            Words as pydicom gives them: bytes in the file's byte order, one number, or several.
        signed
            Whether the inputs can be negative: the descriptor may have lost the sign.
        little
            The file's byte order.

        Raises
        ------
        ValueError
            When they do not fit together.
        """
        if descriptor is None or data is None or len(descriptor) != 3:
            raise ValueError("descriptor or data are missing")
        entries, first, bits = (int(v) for v in descriptor)
        entries = entries or 2**16
        if signed and first >= 2**15:
            first -= 2**16
        if isinstance(data, bytes):
            words = np.frombuffer(data[: len(data) // 2 * 2], "<u2" if little else ">u2")
            # Tables of 8 bits may be packed two to a word, the first in its lower half.
            packed = len(data) < 2 * entries
            outputs = words.astype("<u2").view(np.uint8) if packed else words.astype(np.uint16)
        else:
            outputs = np.atleast_1d(np.asarray(data, np.uint16))
        outputs = outputs[:entries]
        if not 8 <= bits <= 16 or not 0 < entries == len(outputs):
            raise ValueError("descriptor and data do not fit together")
        if bits == 16 and outputs.max() < 2**8:  # bytes in words, which many files call 16 bits
            bits = 8
        top = 2**bits - 1
        return cls(np.minimum(outputs, top).astype(np.float32), first, top)

    def index(self, values: NDArray[Any]) -> NDArray[np.int32]:
        """Where each value's output lies; beyond the ends it is the first or the last."""
        index = np.rint(values).astype(np.int32)
        index -= self.first
        inside: NDArray[np.int32] = np.clip(index, 0, len(self.outputs) - 1, out=index)
        return inside

    def look_up(self, values: NDArray[Any]) -> Floats:
        found: Floats = self.outputs[self.index(values)]
        return found
