"""The tables. A change here needs a migration beside it; a test compares the two."""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    TypeDecorator,
    false,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time in UTC; stored without a zone, because not every database keeps one."""

    impl = DateTime()
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.replace(tzinfo=UTC)


class Base(DeclarativeBase):
    metadata = MetaData(naming_convention={"pk": "pk_%(table_name)s"})


class ReadingRow(Base):
    """One reading: the image's facts, the finding, and the activation map behind it."""

    __tablename__ = "readings"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)

    # What the person who sent it calls it; NULL where nothing was said.
    reference: Mapped[str | None] = mapped_column(String(64))
    # One of the samples, drawn by a program.
    synthetic: Mapped[bool] = mapped_column(Boolean, server_default=false())

    image_format: Mapped[str] = mapped_column(String(16))
    image_width: Mapped[int] = mapped_column(Integer)
    image_height: Mapped[int] = mapped_column(Integer)
    image_sha256: Mapped[str] = mapped_column(String(64))

    # Of a DICOM film, whose it is: a data set without pixels. NULL unless the operator wants it.
    study: Mapped[bytes | None] = mapped_column(LargeBinary)

    label: Mapped[str] = mapped_column(String(16))
    probability: Mapped[float] = mapped_column(Double)
    logit: Mapped[float] = mapped_column(Double)
    operating_point: Mapped[str] = mapped_column(String(64))
    threshold: Mapped[float] = mapped_column(Double)
    indeterminate_low: Mapped[float | None] = mapped_column(Double)
    indeterminate_high: Mapped[float | None] = mapped_column(Double)
    # Whose calibration was used; NULL where that was not known or the model has one for all.
    population: Mapped[str | None] = mapped_column(String(32))
    # Whether the film is of those that the model knows, and the sentences on why it is not.
    population_match: Mapped[str] = mapped_column(String(8), server_default="unknown")
    mismatches: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    # Bacterial or viral, and the probability of it given pneumonia; NULL where it was not told.
    etiology: Mapped[str | None] = mapped_column(String(16))
    etiology_probability: Mapped[float | None] = mapped_column(Double)
    model_id: Mapped[str] = mapped_column(String(255))
    model_sha256: Mapped[str] = mapped_column(String(64))
    quality_accepted: Mapped[bool] = mapped_column(Boolean)
    quality_warnings: Mapped[list[str]] = mapped_column(JSON)
    quality_inverted: Mapped[bool] = mapped_column(Boolean, server_default=false())
    # From chest films, 1 where the gate refuses; NULL where it was not measured.
    outlier_distance: Mapped[float | None] = mapped_column(Double)

    # float32 little-endian, row by row: bit for bit what the network gave.
    map_values: Mapped[bytes] = mapped_column(LargeBinary)
    map_rows: Mapped[int] = mapped_column(Integer)
    map_columns: Mapped[int] = mapped_column(Integer)
    map_full_scale: Mapped[float] = mapped_column(Double)
    # {"width", "height", "box": [x0, y0, x1, y1]}, film pixels.
    map_geometry: Mapped[dict[str, Any]] = mapped_column(JSON)
    # Polygons of [x, y], fractions of the film; NULL where the lungs were not looked for.
    outline: Mapped[list[list[list[float]]] | None] = mapped_column(JSON(none_as_null=True))
    # How far the probability lies from the threshold: the list is sorted by it.
    margin: Mapped[float] = mapped_column(Double, server_default="0")
    # When it was taken off the list; it is deleted for good some days later.
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Which films were sent together, and which of them this is, from 1 on.
    batch: Mapped[str | None] = mapped_column(String(32))
    batch_position: Mapped[int | None] = mapped_column(Integer)
    # Of the last review; NULL where there is none.
    opinion: Mapped[str | None] = mapped_column(String(16))


# Each order of the list has an index that holds all a list is filtered by as well: rows, large by
# their maps, are opened only to be shown.
_COVERED = ("id", "label", "population_match", "model_id", "reference", "deleted_at", "opinion")
for _name, _column in {
    "time": "created_at",
    "probability": "probability",
    "margin": "margin",
}.items():
    Index(f"ix_readings_{_name}", *(ReadingRow.__table__.c[c] for c in (_column, *_COVERED)))
Index("ix_readings_batch", ReadingRow.batch)
# All that agreement and drift of a model are worked out from, likewise.
_OBSERVED = (
    "model_id", "model_sha256", "created_at", "population", "probability", "threshold", "logit",
    "label", "population_match", "opinion", "outlier_distance", "synthetic", "deleted_at",
)  # fmt: skip
Index("ix_readings_observed", *(ReadingRow.__table__.c[c] for c in _OBSERVED))
# Of the few that were deleted only: else it would be taken for the many that were not.
_IS_DELETED = ReadingRow.deleted_at.is_not(None)
Index(
    "ix_readings_deleted",
    ReadingRow.deleted_at,
    sqlite_where=_IS_DELETED,
    postgresql_where=_IS_DELETED,
)


class RefusalRow(Base):
    """A file of a batch that was refused, by its position; neither file nor name is kept."""

    __tablename__ = "refusals"

    batch: Mapped[str] = mapped_column(String(32), primary_key=True)
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    reference: Mapped[str | None] = mapped_column(String(64))
    code: Mapped[str] = mapped_column(String(64))
    title: Mapped[str] = mapped_column(String(255))
    detail: Mapped[str] = mapped_column(Text)
    turn: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ReviewRow(Base):
    """One review of a reading: added, never changed, and gone with its reading alone."""

    __tablename__ = "reviews"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    reading_id: Mapped[str] = mapped_column(
        String(32),
        ForeignKey("readings.id", name="fk_reviews_reading_id", ondelete="CASCADE"),
    )
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    reviewer: Mapped[str] = mapped_column(String(64))
    opinion: Mapped[str] = mapped_column(String(16))
    findings: Mapped[list[str]] = mapped_column(JSON)
    note: Mapped[str] = mapped_column(Text)


Index("ix_reviews_reading_id", ReviewRow.reading_id)
