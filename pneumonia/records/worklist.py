"""The list of readings: looked through page by page, cleared, and cleared ones brought back."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, func, or_, select, tuple_, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from pneumonia.analysis.finding import Label, PopulationMatch
from pneumonia.records.audit_chain import Action, append
from pneumonia.records.query import Page, Place, Query, ReviewState, Sort, Verdict
from pneumonia.records.reading import Reading
from pneumonia.records.review import Opinion
from pneumonia.records.rows import to_reading
from pneumonia.records.store import Store
from pneumonia.records.tables import ReadingRow, RefusalRow

KEPT = timedelta(days=7)
"""How long a reading that was deleted from the list can be brought back."""

_AT_ONCE = 500
_SORTED_BY: dict[Sort, InstrumentedAttribute[Any]] = {
    Sort.NEWEST: ReadingRow.created_at,
    Sort.OLDEST: ReadingRow.created_at,
    Sort.HIGHEST: ReadingRow.probability,
    Sort.LOWEST: ReadingRow.probability,
    Sort.UNCERTAIN: ReadingRow.margin,
}


class Worklist:
    """All readings of a store. Safe under threads; raises what :class:`Store` raises."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def page(
        self,
        query: Query,
        *,
        after: Place | None = None,
        before: Place | None = None,
        limit: int = 50,
    ) -> Page:
        """At most so many readings: the first ones, those after a place, or those before one."""
        with self._store.session("list readings") as session:
            ids = list(session.scalars(_ids(query, after, before).limit(limit + 1)))
            has_more = len(ids) > limit
            found = _readings(session, ids[:limit])
        if before:
            found.reverse()
        first, last = (
            (Place.of(found[0], query.sort), Place.of(found[-1], query.sort))
            if found
            else (None, None)
        )
        has_previous = has_more if before else after is not None
        has_next = before is not None or has_more
        return Page(found, first if has_previous else None, last if has_next else None)

    def count(self, query: Query) -> int:
        with self._store.session("count readings") as session:
            return session.scalar(select(func.count()).where(*_conditions(query))) or 0

    def neighbours(self, reading: Reading, query: Query) -> tuple[str | None, str | None]:
        """Ids of the readings before and after one, which itself need not be on the list."""
        place = Place.of(reading, query.sort)
        with self._store.session("list readings") as session:
            previous = session.scalar(_ids(query, None, place).limit(1))
            following = session.scalar(_ids(query, place, None).limit(1))
        return previous, following

    def priors(self, reading: Reading, limit: int) -> list[Reading]:
        """The last films before a reading that were sent under its reference, the newest first.

        None where it has no reference.
        """
        if not reading.reference:
            return []
        row = ReadingRow
        query = select(row.id).where(
            row.reference == reading.reference,
            row.created_at < reading.created_at,
            row.deleted_at.is_(None),
        )
        with self._store.session("list readings") as session:
            newest = query.order_by(row.created_at.desc()).limit(limit)
            return _readings(session, list(session.scalars(newest)))

    def all(self, query: Query) -> Iterator[Reading]:
        """Every reading of a list, fetched some hundred at a time."""
        page = self.page(query, limit=_AT_ONCE)
        yield from page.readings
        while page.next:
            page = self.page(query, after=page.next, limit=_AT_ONCE)
            yield from page.readings

    def models(self) -> list[str]:
        """Ids of all models that made a reading, in order.

        One after another by the index: all readings would have to be looked at for DISTINCT.
        """
        found: list[str] = []
        with self._store.session("list the models") as session:
            following = select(func.min(ReadingRow.model_id))
            while (model := session.scalar(following)) is not None:
                found.append(model)
                following = following.where(ReadingRow.model_id > model)
        return found

    def remove(self, reading_ids: Sequence[str]) -> int:
        """Take readings off the list; returns how many were on it.

        They and their films stay, out of reach, until they are brought back or :data:`KEPT` is
        over.
        """
        return self._mark(reading_ids, datetime.now(UTC))

    def bring_back(self, reading_ids: Sequence[str]) -> int:
        """Put readings that were removed back on the list; returns how many."""
        return self._mark(reading_ids, None)

    def _mark(self, reading_ids: Sequence[str], deleted_at: datetime | None) -> int:
        is_there = ReadingRow.deleted_at.is_(None)
        action = Action.DELETE_FROM_LIST if deleted_at else Action.BRING_BACK
        with self._store.session("change the list of readings") as session:
            changed = session.scalars(
                update(ReadingRow)
                .where(ReadingRow.id.in_(reading_ids), is_there if deleted_at else ~is_there)
                .values(deleted_at=deleted_at)
                .returning(ReadingRow.id)
                .execution_options(synchronize_session=False)
            ).all()
            for reading_id in changed:
                append(session, action, reading_id=reading_id)
            session.commit()
            return len(changed)

    def purge(self) -> None:
        """Delete for good what was removed, and forget what was refused, longer than KEPT ago."""
        before = datetime.now(UTC) - KEPT
        is_over = RefusalRow.created_at < before
        with self._store.session("list readings") as session:
            ids = list(session.scalars(select(ReadingRow.id).where(ReadingRow.deleted_at < before)))
            # Asked first: who only looks at a list need not wait for whoever writes.
            if session.scalar(select(RefusalRow.batch).where(is_over).limit(1)):
                session.execute(delete(RefusalRow).where(is_over))
                session.commit()
        for reading_id in ids:
            self._store.delete(reading_id)


def _ids(query: Query, after: Place | None, before: Place | None) -> Select[str]:
    """Ids in the list's order, backwards where they are to end before a place.

    An index holds all that is asked here, so that no row is opened which is not shown.
    """
    column = _SORTED_BY[query.sort]
    falls = query.sort.falls is (before is None)
    conditions = _conditions(query)
    place = after or before
    if place:
        here = tuple_(place.value, place.id, types=[column.type, ReadingRow.id.type])
        stands = tuple_(column, ReadingRow.id)
        conditions.append(stands < here if falls else stands > here)
    order = [c.desc() if falls else c.asc() for c in (column, ReadingRow.id)]
    return select(ReadingRow.id).where(*conditions).order_by(*order)


def _conditions(query: Query) -> list[ColumnElement[bool]]:
    row, is_deleted = ReadingRow, ReadingRow.deleted_at.is_not(None)
    conditions: list[ColumnElement[bool]] = [is_deleted if query.deleted else ~is_deleted]
    if query.reference:
        conditions.append(row.reference.icontains(query.reference, autoescape=True))
    if query.verdicts:
        conditions.append(_shows(query.verdicts))
    if query.match:
        conditions.append(row.population_match == query.match.value)
    if query.model:
        # Said so that the index of models is not taken, which knows no order: half of all readings
        # may be of one model.
        conditions.append(row.model_id + "" == query.model)
    if query.since:
        conditions.append(row.created_at >= query.since)
    if query.until:
        conditions.append(row.created_at < query.until)
    if query.batch:
        conditions.append(row.batch == query.batch)
    if query.review:
        conditions.append(_is_reviewed(query.review))
    return conditions


def _shows(verdicts: Sequence[Verdict]) -> ColumnElement[bool]:
    is_outside = ReadingRow.population_match == PopulationMatch.NO.value
    labels = [verdict.value for verdict in verdicts if verdict is not Verdict.OUTSIDE]
    shows = and_(~is_outside, ReadingRow.label.in_(labels))
    return shows | is_outside if Verdict.OUTSIDE in verdicts else shows


def _is_reviewed(state: ReviewState) -> ColumnElement[bool]:
    """To agree or disagree, both must have said something, and the model be asked what it knows."""
    match state:
        case ReviewState.NONE:
            return ReadingRow.opinion.is_(None)
        case ReviewState.ANY:
            return ReadingRow.opinion.is_not(None)
        case ReviewState.UNSURE:
            return ReadingRow.opinion == Opinion.UNSURE.value
        case _:
            same = state is ReviewState.AGREE
            said = (Opinion.PNEUMONIA.value, Opinion.NO_PNEUMONIA.value)
            labels = (Label.PNEUMONIA.value, Label.NORMAL.value)
            pairs = zip(labels, said if same else said[::-1], strict=True)
            return and_(
                ReadingRow.population_match != PopulationMatch.NO.value,
                or_(
                    *(
                        and_(ReadingRow.label == label, ReadingRow.opinion == opinion)
                        for label, opinion in pairs
                    )
                ),
            )


def _readings(session: Session, ids: Sequence[str]) -> list[Reading]:
    rows = {
        row.id: row for row in session.scalars(select(ReadingRow).where(ReadingRow.id.in_(ids)))
    }
    # One that was deleted between the two questions is left out.
    return [to_reading(rows[id_]) for id_ in ids if id_ in rows]
