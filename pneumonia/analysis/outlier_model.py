"""What chest films look like to the lung network, and how far a picture is from that.

The averaged features of chest films fill a few directions only: children and machines differ, yet
a chest stays a chest. What of a picture's features lies outside those directions is its distance,
as in one-class classification by the reconstruction error (Hoffmann 2007, kernel PCA for novelty
detection; here the plain, linear one). No picture of anything else takes part in the fit.
"""

import base64
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

_STORED = np.dtype("<f2")  # half precision, little-endian: as the weights beside it


@dataclass(frozen=True, eq=False, slots=True)
class OutlierModel:
    """Chest films' features.

    Attributes
    ----------
    mean
        float32 (F,).
    axes
        float32 (K, F), orthonormal: the directions in which chest films differ from one another.
    usual
        The distance within which 99 of 100 training films lie, in the features' own unit.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    usual: float = 1.0

    def distance(self, features: NDArray[np.float32]) -> float:
        """How far (F,) features are from a chest film's; 1 is far for a training film."""
        beyond = np.asarray(features, np.float32) - self.mean
        beyond = beyond - (beyond @ self.axes.T) @ self.axes
        return float(np.linalg.norm(beyond)) / self.usual

    def as_dict(self) -> dict[str, Any]:
        """For a card: arrays in base64, half precision, so that they stay one line each."""
        return {"mean": _write(self.mean), "axes": _write(self.axes), "usual": self.usual}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Raises KeyError or ValueError for what :meth:`as_dict` did not write."""
        mean = _read(values["mean"])
        usual = float(values["usual"])
        if not usual > 0:
            raise ValueError(f"usual must be positive, not {usual}")
        return cls(mean, _read(values["axes"]).reshape(-1, len(mean)), usual)


def _write(values: NDArray[np.float32]) -> str:
    return base64.b64encode(np.ascontiguousarray(values, _STORED).tobytes()).decode("ascii")


def _read(text: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text, validate=True), _STORED).astype(np.float32)
