"""What became of films that were sent together: those that were read, and those that were not."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import select

from pneumonia.records.reading import Reading
from pneumonia.records.rows import to_reading
from pneumonia.records.store import Store
from pneumonia.records.tables import ReadingRow, RefusalRow


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that was not read, and why; nothing of the file is kept.

    Attributes
    ----------
    position
        Which of the batch's files it was, from 1 on.
    reference
        As a reading's.
    code, title, detail
        As the error's.
    turn
        By how many degrees clockwise a film that lies turned has to be turned; else 0.
    """

    position: int
    reference: str
    code: str
    title: str
    detail: str
    turn: int = 0


class Batches:
    """Films sent together, by the batch's id. Raises what :class:`Store` raises."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, batch: str) -> list[Reading | Refusal]:
        """What became of a batch's files, by their position; what was deleted is left out."""
        with self._store.session("look up the batch") as session:
            rows = session.scalars(
                select(ReadingRow).where(ReadingRow.batch == batch, ReadingRow.deleted_at.is_(None))
            )
            found: dict[int, Reading | Refusal] = {
                row.position: _to_refusal(row)
                for row in session.scalars(select(RefusalRow).where(RefusalRow.batch == batch))
            }
            found |= {row.batch_position or 0: to_reading(row) for row in rows}
        return [found[position] for position in sorted(found)]

    def refuse(self, batch: str, refusal: Refusal) -> None:
        """Keep that a file was refused; what was kept of the same one before is replaced."""
        row = RefusalRow(
            batch=batch,
            position=refusal.position,
            reference=refusal.reference or None,
            code=refusal.code,
            title=refusal.title,
            detail=refusal.detail,
            turn=refusal.turn,
            created_at=datetime.now(UTC),
        )
        with self._store.session("keep what was refused") as session:
            session.merge(row)
            session.commit()


def _to_refusal(row: RefusalRow) -> Refusal:
    return Refusal(row.position, row.reference or "", row.code, row.title, row.detail, row.turn)
