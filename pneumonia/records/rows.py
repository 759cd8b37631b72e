"""A Reading to its row and back, exactly: the map's values bit for bit."""

import numpy as np

from pneumonia.analysis.finding import (
    ActivationMap,
    Etiology,
    EtiologyFinding,
    Finding,
    Label,
    ModelRef,
    OperatingPoint,
    Outline,
    PopulationMatch,
    Quality,
)
from pneumonia.imaging.preprocess import Geometry
from pneumonia.records.reading import ImageInfo, Reading
from pneumonia.records.review import Opinion
from pneumonia.records.tables import ReadingRow


def to_row(reading: Reading) -> ReadingRow:
    image, finding = reading.image, reading.finding
    point, activation = finding.operating_point, finding.activation
    low, high = point.indeterminate or (None, None)
    etiology = finding.etiology
    rows, columns = activation.values.shape
    geometry = activation.geometry
    return ReadingRow(
        id=reading.id,
        created_at=reading.created_at,
        reference=reading.reference or None,
        synthetic=reading.synthetic,
        image_format=image.format,
        image_width=image.width,
        image_height=image.height,
        image_sha256=image.sha256,
        study=reading.study or None,
        label=finding.label.value,
        probability=float(finding.probability),
        logit=float(finding.logit),
        operating_point=point.name,
        threshold=float(point.threshold),
        indeterminate_low=low,
        indeterminate_high=high,
        population=finding.population or None,
        population_match=finding.population_match.value,
        mismatches=list(finding.mismatches) or None,
        etiology=etiology.label.value if etiology else None,
        etiology_probability=float(etiology.probability) if etiology else None,
        model_id=finding.model.id,
        model_sha256=finding.model.sha256,
        quality_accepted=finding.quality.accepted,
        quality_warnings=list(finding.quality.warnings),
        quality_inverted=finding.quality.inverted,
        outlier_distance=finding.quality.outlier_distance,
        map_values=activation.values.astype("<f4").tobytes(),
        map_rows=rows,
        map_columns=columns,
        map_full_scale=float(activation.full_scale),
        map_geometry={
            "width": geometry.width,
            "height": geometry.height,
            "box": [float(edge) for edge in geometry.box],
        },
        outline=[[[float(x), float(y)] for x, y in part] for part in finding.outline] or None,
        margin=float(finding.margin),
        batch=reading.batch or None,
        batch_position=reading.batch_position or None,
        opinion=reading.opinion.value if reading.opinion else None,
    )


def to_reading(row: ReadingRow) -> Reading:
    return Reading(
        id=row.id,
        created_at=row.created_at,
        image=ImageInfo(row.image_format, row.image_width, row.image_height, row.image_sha256),
        finding=Finding(
            label=Label(row.label),
            probability=row.probability,
            logit=row.logit,
            operating_point=_operating_point(row),
            model=ModelRef(row.model_id, row.model_sha256),
            quality=Quality(
                row.quality_accepted,
                tuple(row.quality_warnings),
                row.quality_inverted,
                row.outlier_distance,
            ),
            activation=_activation(row),
            outline=_outline(row),
            etiology=_etiology(row),
            population=row.population or "",
            population_match=PopulationMatch(row.population_match),
            mismatches=tuple(row.mismatches or ()),
        ),
        reference=row.reference or "",
        synthetic=row.synthetic,
        study=row.study or b"",
        batch=row.batch or "",
        batch_position=row.batch_position or 0,
        opinion=Opinion(row.opinion) if row.opinion else None,
    )


def _operating_point(row: ReadingRow) -> OperatingPoint:
    low, high = row.indeterminate_low, row.indeterminate_high
    band = None if low is None or high is None else (low, high)
    return OperatingPoint(row.operating_point, row.threshold, band)


def _etiology(row: ReadingRow) -> EtiologyFinding | None:
    if row.etiology is None or row.etiology_probability is None:
        return None
    return EtiologyFinding(Etiology(row.etiology), row.etiology_probability)


def _activation(row: ReadingRow) -> ActivationMap:
    values = np.frombuffer(row.map_values, "<f4").reshape(row.map_rows, row.map_columns)
    geometry = row.map_geometry
    x0, y0, x1, y1 = geometry["box"]
    return ActivationMap(
        values=values.astype(np.float32),
        full_scale=row.map_full_scale,
        geometry=Geometry(geometry["width"], geometry["height"], (x0, y0, x1, y1)),
    )


def _outline(row: ReadingRow) -> Outline:
    return tuple(tuple((x, y) for x, y in part) for part in row.outline or ())
