"""The tables of the audit log: what happened, and where its chain ends."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from pneumonia.records.tables import Base, UtcDateTime

_SEQUENCE = BigInteger().with_variant(Integer, "sqlite")


class AuditRow(Base):
    """One entry. The database itself refuses to change or delete it: see the migration."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_actor", "actor"),
        Index("ix_audit_reading_id", "reading_id"),
    )

    sequence: Mapped[int] = mapped_column(_SEQUENCE, primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    actor: Mapped[str] = mapped_column(String(64))
    via: Mapped[str] = mapped_column(String(80))
    address: Mapped[str] = mapped_column(String(45))
    action: Mapped[str] = mapped_column(String(32))
    reading_id: Mapped[str] = mapped_column(String(32))
    subject: Mapped[str] = mapped_column(Text)
    # SHA-256 of the entry and of the hash before it.
    hash: Mapped[str] = mapped_column(String(64))


class AuditHeadRow(Base):
    """The newest entry's number and hash: one row, which is locked while an entry is added."""

    __tablename__ = "audit_head"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    sequence: Mapped[int] = mapped_column(_SEQUENCE)
    hash: Mapped[str] = mapped_column(String(64))
