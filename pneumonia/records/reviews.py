"""What clinicians said of readings: added to, never changed."""

from sqlalchemy import select, update

from pneumonia.errors import ReadingNotFound
from pneumonia.records.audit_chain import Action, append
from pneumonia.records.review import Opinion, OtherFinding, Review
from pneumonia.records.store import Store
from pneumonia.records.tables import ReadingRow, ReviewRow


class Reviews:
    """The history of every reading's reviews. Raises what :class:`Store` raises."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, reading_id: str, review: Review) -> None:
        """Keep a review, which from then on is the one the list shows.

        Raises
        ------
        ReadingNotFound
        """
        with self._store.session("keep the review") as session:
            # The list filters by the last opinion: it is kept in the reading's own row as well.
            marked = session.execute(
                update(ReadingRow)
                .where(ReadingRow.id == reading_id, ReadingRow.deleted_at.is_(None))
                .values(opinion=review.opinion.value)
            )
            if not marked.rowcount:  # type: ignore[attr-defined]
                raise ReadingNotFound(
                    f"There is no reading {reading_id[:40]!r} to review. It may have been deleted."
                )
            session.add(_to_row(reading_id, review))
            append(session, Action.REVIEW, reading_id=reading_id)
            session.commit()

    def history(self, reading_id: str) -> list[Review]:
        """All reviews of a reading, the last one first."""
        query = select(ReviewRow).where(ReviewRow.reading_id == reading_id)
        with self._store.session("look up the reviews") as session:
            return [_to_review(row) for row in session.scalars(query.order_by(ReviewRow.id.desc()))]


def _to_row(reading_id: str, review: Review) -> ReviewRow:
    return ReviewRow(
        reading_id=reading_id,
        created_at=review.created_at,
        reviewer=review.reviewer,
        opinion=review.opinion.value,
        findings=[finding.value for finding in review.findings],
        note=review.note,
    )


def _to_review(row: ReviewRow) -> Review:
    findings = tuple(OtherFinding(name) for name in row.findings)
    return Review(row.created_at, row.reviewer, Opinion(row.opinion), findings, row.note)
