"""The table of the queue: films that other systems sent."""

from datetime import datetime

from sqlalchemy import Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from pneumonia.records.tables import Base, UtcDateTime


class QueueRow(Base):
    """One film that arrived. What identifies it is kept as a digest alone."""

    __tablename__ = "queue"
    __table_args__ = (
        Index("ix_queue_state", "state", "next_at"),
        Index("ix_queue_key", "key", unique=True),
        Index("ix_queue_id", "id", unique=True),
    )

    sequence: Mapped[int] = mapped_column(Integer, primary_key=True)
    id: Mapped[str] = mapped_column(String(32))
    # SHA-256 of the SOP Instance UID, or of the file where it has none.
    key: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(String(16))
    peer: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(45))
    state: Mapped[str] = mapped_column(String(16))
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    attempts: Mapped[int] = mapped_column(Integer)
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    code: Mapped[str] = mapped_column(String(64))
    detail: Mapped[str] = mapped_column(Text)
    sent_to: Mapped[str] = mapped_column(String(64))
