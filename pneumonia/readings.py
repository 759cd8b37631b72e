"""The use case: an uploaded file becomes a kept reading. Both doors, page and API, call it."""

import threading
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.finding import Finding, Label
from pneumonia.imaging import Limits, Radiograph, decode
from pneumonia.imaging.display import decode_png, encode_png, to_display
from pneumonia.imaging.overlay import render
from pneumonia.records import ImageInfo, Reading, Store

DEFAULT_OPACITY = 0.6
"""Of the map over the film, where nobody chose one."""

DECODERS = 4
"""Uploads decoded at once; the rest wait, so that many large films cannot fill the memory."""


class Analyst(Protocol):
    """Whatever turns a film into a finding: the service, over a network."""

    def analyse(self, radiograph: Radiograph) -> Finding: ...


class Readings:
    """Submit, look at and delete readings.

    Parameters
    ----------
    limits
        Bounds on the bytes and pixels of an upload.
    """

    def __init__(self, store: Store, service: Analyst, limits: Limits) -> None:
        self._store = store
        self._service = service
        self._limits = limits
        self._decoding = threading.BoundedSemaphore(DECODERS)

    def submit(self, data: bytes) -> Reading:
        """Decode, analyse and keep one uploaded file.

        The upload itself is not kept: only its pixels, as the screen shows them.

        Raises
        ------
        ImageError
            When the file is refused or cannot be read; nothing is kept then.
        ModelError
            When there is no model to ask, or it does not answer.
        StorageUnavailable
            When the reading cannot be kept.
        """
        with self._decoding:
            radiograph = decode(data, self._limits)
        finding = self._service.analyse(radiograph)
        reading = Reading(
            id=uuid.uuid4().hex,
            created_at=datetime.now(UTC),
            image=image_info(radiograph),
            finding=finding,
        )
        self._store.add(reading, encode_png(to_display(radiograph.pixels)))
        return reading

    def get(self, reading_id: str) -> Reading:
        """Raises ReadingNotFound."""
        return self._store.get(reading_id)

    def find(self, reading_ids: Sequence[str]) -> list[Reading]:
        """Those of the given readings that exist, in the order asked for."""
        return self._store.find(reading_ids)

    def film_png(self, reading_id: str) -> bytes:
        """The film as shown: 8-bit grey PNG. Raises ReadingNotFound, FilmMissing."""
        return self._store.film(reading_id)

    def overlay_png(self, reading_id: str, opacity: float) -> bytes:
        """The film with the activation map over it; the film alone where no map is painted.

        Parameters
        ----------
        opacity
            0 (the film alone) to 1.

        Raises
        ------
        ReadingNotFound, FilmMissing
        """
        reading, film_png = self._store.get(reading_id), self._store.film(reading_id)
        if not paints_map(reading.finding):
            return film_png
        return encode_png(overlay(decode_png(film_png), reading.finding, opacity))

    def delete(self, reading_id: str) -> None:
        """Remove the reading and its picture for good. Raises ReadingNotFound."""
        self._store.delete(reading_id)


def image_info(radiograph: Radiograph) -> ImageInfo:
    """What is kept of an upload."""
    return ImageInfo(radiograph.format, radiograph.width, radiograph.height, radiograph.sha256)


def paints_map(finding: Finding) -> bool:
    """Whether the map is shown: on a normal film it would be read as a finding."""
    return finding.label is not Label.NORMAL


def overlay(film: NDArray[np.uint8], finding: Finding, opacity: float) -> NDArray[np.uint8]:
    """The film with the finding's map over it, or the film alone where no map is shown.

    Parameters
    ----------
    film
        uint8 (height, width), as the screen shows it.
    opacity
        0 (the film alone) to 1.

    Returns
    -------
    uint8 (height, width, 3), or the film itself.
    """
    if not paints_map(finding):
        return film
    activation = finding.activation
    return render(film, activation.values, activation.full_scale, activation.geometry, opacity)
