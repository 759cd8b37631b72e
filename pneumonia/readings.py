"""The use case: an uploaded file becomes a kept reading. Both doors, page and API, call it."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pneumonia.analysis.finding import Finding, Label, PopulationMatch
from pneumonia.budget import Budget
from pneumonia.decoding.decoders import Decoders
from pneumonia.errors import LevelsNotKept
from pneumonia.imaging import Radiograph
from pneumonia.imaging.display import decode_png, encode_png, to_display, to_levels, to_thumbnail
from pneumonia.imaging.overlay import map_layer, render
from pneumonia.records import ImageInfo, Reading, Store
from pneumonia.telemetry import READINGS, SCORES, STAGE_SECONDS

DEFAULT_OPACITY = 0.6
"""Of the map over the film, where nobody chose one."""

PIXELS_AT_ONCE = 40_000_000
"""Of all the films in work together, at some 20 bytes each while they are decoded: a film of the
largest size by itself, or several of the usual ones."""

THUMBNAIL_PIXELS = 160
"""Longer side of a film in a list."""

SMALL_PIXELS = 2_000_000
"""A film up to this size never waits for the large ones; the server's threads bound these."""


class Analyst(Protocol):
    """Whatever turns a film into a finding: the service, over a network."""

    def analyse(self, radiograph: Radiograph) -> Finding: ...


class Readings:
    """Submit, look at and delete readings.

    Parameters
    ----------
    decoders
        What decodes uploads, in processes of their own.
    wait_s
        Longest wait of a large film for its turn.
    keep_study
        Whether a DICOM film's patient and study are kept with its reading.
    keep_accession
        Whether a DICOM film's accession number is its reference where the sender says none.
    """

    def __init__(
        self,
        store: Store,
        service: Analyst,
        decoders: Decoders,
        wait_s: float,
        *,
        keep_study: bool = False,
        keep_accession: bool = False,
    ) -> None:
        self._store = store
        self._service = service
        self._decoders = decoders
        self._keep_study = keep_study
        self._keep_accession = keep_accession
        self._pixels = Budget(PIXELS_AT_ONCE, small=SMALL_PIXELS, wait_s=wait_s)

    def submit(
        self,
        data: bytes,
        population: str = "",
        *,
        age_years: float | None = None,
        turn: int = 0,
        reference: str = "",
        synthetic: bool = False,
        batch: str = "",
        batch_position: int = 0,
        reading_id: str = "",
    ) -> Reading:
        """Decode, analyse and keep one uploaded file.

        The upload itself is not kept: only its pixels, as the screen shows them and, where they
        have more than 8 bits, all their grey levels.

        Parameters
        ----------
        population
            Whose film it is, in the words of the model's card; empty where that is not known.
        age_years
            The patient's age, which counts before ``population``; None where it is not said.
        turn
            By how many degrees clockwise it is turned before it is read: 0, 90, 180 or 270.
        reference
            What the person who sends it calls it; kept with the reading. Where it is empty, a DICOM
            film's accession number may stand in for it.
        synthetic
            Whether it is one of the samples.
        batch, batch_position
            The films it is sent together with, and which of them it is.
        reading_id
            32 hex digits that were drawn before, for a film of the queue; else new ones.

        Raises
        ------
        ImageError
            When the file is refused or cannot be read; nothing is kept then.
        DecoderUnavailable
            When nothing can be decoded.
        ModelError
            When there is no model to ask, or it does not answer, or there was no room for a
            large film in time.
        StorageUnavailable
            When the reading cannot be kept.
        """
        with (
            self._decoders.open(
                data, study=self._keep_study, accession=self._keep_accession, turn=turn
            ) as upload,
            self._pixels.hold(upload.pixels),
        ):
            with STAGE_SECONDS.labels("decode").time():
                radiograph = upload.decode().turned(turn).of_patient(population, age_years)
            finding = self._service.analyse(radiograph)
            reading = Reading(
                id=reading_id or secrets.token_hex(16),  # 128 bits; a UUID has 122
                created_at=datetime.now(UTC),
                image=image_info(radiograph),
                finding=finding,
                reference=reference or upload.accession,
                synthetic=synthetic,
                study=upload.study,
                batch=batch,
                batch_position=batch_position,
            )
            with STAGE_SECONDS.labels("keep").time():
                self._keep(reading, upright(radiograph, finding))
        if not synthetic:
            READINGS.labels(finding.label.value).inc()
            SCORES.observe(finding.probability)
        return reading

    def close(self) -> None:
        """End the decoders."""
        self._decoders.close()

    def _keep(self, reading: Reading, radiograph: Radiograph) -> None:
        levels = to_levels(radiograph)
        self._store.add(
            reading,
            encode_png(to_display(radiograph.pixels), radiograph.spacing_mm),
            None if levels is None else encode_png(levels),
        )

    def get(self, reading_id: str) -> Reading:
        """Raises ReadingNotFound."""
        return self._store.get(reading_id)

    def find(self, reading_ids: Sequence[str]) -> list[Reading]:
        """Those of the given readings that exist, in the order asked for."""
        return self._store.find(reading_ids)

    def radiograph_png(self, reading_id: str) -> bytes:
        """The film as shown: 8-bit grey PNG. Raises ReadingNotFound, FilmMissing."""
        return self._store.radiograph(reading_id)

    def levels_png(self, reading_id: str) -> bytes:
        """All grey levels of the film: 16-bit grey PNG.

        Raises
        ------
        ReadingNotFound
        LevelsNotKept
            Where the 8 bits of its picture hold all that it had, or it was kept by a version that
            kept no more.
        """
        levels = self._store.levels(reading_id)
        if levels is None:
            raise LevelsNotKept(
                "No more grey levels are kept of this film than the 256 of its picture."
            )
        return levels

    def has_levels(self, reading_id: str) -> bool:
        """Whether there is more to the film than 8 bits show."""
        return self._store.has_levels(reading_id)

    def spacing_mm(self, reading_id: str) -> tuple[float, float] | None:
        """Height and width of the film's pixels in millimetres, where its file said so."""
        from pneumonia.imaging.png import SPACING_BYTES, read_spacing

        return read_spacing(self._store.radiograph_head(reading_id, SPACING_BYTES))

    def map_png(self, reading_id: str) -> bytes:
        """The activation map alone, to be laid over the film: RGBA PNG, at most 1,024 a side.

        Transparent throughout where no map is shown. Raises ReadingNotFound.
        """
        finding = self._store.get(reading_id).finding
        activation = finding.activation
        layer = map_layer(activation.values, activation.full_scale, activation.geometry)
        return encode_png(layer if paints_map(finding) else np.zeros_like(layer))

    def overlay_png(self, reading_id: str, opacity: float) -> bytes:
        """The film with the activation map over it; the film alone where no map is painted.

        Parameters
        ----------
        opacity
            0 (the film alone) to 1.

        Raises
        ------
        ReadingNotFound, RadiographMissing
        Overloaded
            When there was no room for a large film in time.
        """
        reading = self._store.get(reading_id)
        if not paints_map(reading.finding):
            return self._store.radiograph(reading_id)
        with self._pixels.hold(reading.image.width * reading.image.height):
            radiograph = decode_png(self._store.radiograph(reading_id))
            return encode_png(overlay(radiograph, reading.finding, opacity))

    @contextmanager
    def radiograph(self, reading_id: str) -> Iterator[NDArray[np.uint8]]:
        """The film as shown, uint8 (height, width), its memory counted while it is in use.

        Raises
        ------
        ReadingNotFound, RadiographMissing
        Overloaded
            When there was no room for a large film in time.
        """
        image = self._store.get(reading_id).image
        with self._pixels.hold(image.width * image.height):
            yield decode_png(self._store.radiograph(reading_id))

    def thumbnail_png(self, reading_id: str) -> bytes:
        """The film at most :data:`THUMBNAIL_PIXELS` a side: 8-bit grey PNG, made once and kept.

        Raises
        ------
        ReadingNotFound, RadiographMissing
        Overloaded
            When there was no room for a large film in time.
        """
        if kept := self._store.thumbnail(reading_id):
            return kept
        image = self._store.get(reading_id).image
        with self._pixels.hold(image.width * image.height):
            radiograph = decode_png(self._store.radiograph(reading_id))
            thumbnail = encode_png(to_thumbnail(radiograph, THUMBNAIL_PIXELS))
        self._store.keep_thumbnail(reading_id, thumbnail)
        return thumbnail

    def has_picture(self, reading_id: str) -> bool:
        """Whether the film of a reading is there. Raises ReadingNotFound for what is no id."""
        return self._store.has_radiograph(reading_id)

    def delete(self, reading_id: str) -> None:
        """Remove the reading and its picture for good. Raises ReadingNotFound."""
        self._store.delete(reading_id)


def image_info(radiograph: Radiograph) -> ImageInfo:
    """What is kept of an upload."""
    return ImageInfo(radiograph.format, radiograph.width, radiograph.height, radiograph.sha256)


def upright(radiograph: Radiograph, finding: Finding) -> Radiograph:
    """The film as it was read and is shown: its grey levels inverted back if it came a negative."""
    return radiograph.inverted_greys() if finding.quality.inverted else radiograph


def paints_map(finding: Finding) -> bool:
    """Whether the map is shown: on a normal film it would be read as a finding."""
    return finding.label is not Label.NORMAL


def marks_region(finding: Finding) -> bool:
    """Whether the map has a part that a result may mark: as on the page, of no other films."""
    return (
        finding.population_match is not PopulationMatch.NO
        and paints_map(finding)
        and float(finding.activation.values.max()) > 0
    )


def overlay(radiograph: NDArray[np.uint8], finding: Finding, opacity: float) -> NDArray[np.uint8]:
    """The film with the finding's map over it, or the film alone where no map is shown.

    Parameters
    ----------
    radiograph
        uint8 (height, width), as the screen shows it.
    opacity
        0 (the film alone) to 1.

    Returns
    -------
    uint8 (height, width, 3), or the film itself.
    """
    if not paints_map(finding):
        return radiograph
    activation = finding.activation
    return render(
        radiograph, activation.values, activation.full_scale, activation.geometry, opacity
    )
