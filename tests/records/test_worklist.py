"""The list is filtered, sorted and paged as asked, and what is deleted from it can come back."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from pneumonia.analysis.finding import Label, ModelRef, OperatingPoint, PopulationMatch
from pneumonia.errors import ReadingNotFound
from pneumonia.records import (
    Opinion,
    Place,
    Query,
    Reading,
    Review,
    Reviews,
    ReviewState,
    Sort,
    Store,
    Verdict,
    Worklist,
)
from pneumonia.records.worklist import KEPT

START = datetime(2026, 3, 1, 9, tzinfo=UTC)
MATCHES = [PopulationMatch.YES, PopulationMatch.NO, PopulationMatch.UNKNOWN]
# Number, probability, label at 0.5 with a band from 0.4 to 0.6.
FILMS = [
    (0, 0.91, Label.PNEUMONIA),
    (1, 0.45, Label.INDETERMINATE),
    (2, 0.02, Label.NORMAL),
    (3, 0.91, Label.PNEUMONIA),
    (4, 0.70, Label.PNEUMONIA),
    (5, 0.30, Label.NORMAL),
    (6, 0.52, Label.INDETERMINATE),
]
PNG = b"a film"


@pytest.fixture
def worklist(store: Store, make_reading: Callable[..., Reading]) -> Worklist:
    """Seven readings, an hour apart, each id its number; every third film lies outside."""
    for number, probability, label in FILMS:
        made = make_reading()
        finding = replace(
            made.finding,
            probability=probability,
            label=label,
            operating_point=OperatingPoint("balanced", 0.5, (0.4, 0.6)),
            population_match=MATCHES[number % 3],
            model=ModelRef("older" if number < 3 else "default", "ab" * 32),
        )
        reading = replace(
            made,
            id=f"{number:032x}",
            created_at=START + timedelta(hours=number),
            finding=finding,
            reference=["", "ACC-10%", "Müller", "acc-11", "acc_12", "", "x"][number],
            batch="b" * 32 if number in (4, 5) else "",
            batch_position=number if number in (4, 5) else 0,
        )
        store.add(reading, PNG)
    return Worklist(store)


def numbers(readings: list[Reading]) -> list[int]:
    return [int(reading.id, 16) for reading in readings]


def listed(worklist: Worklist, **filters: object) -> list[int]:
    query = Query(**({"sort": Sort.OLDEST} | filters))  # type: ignore[arg-type]
    found = numbers(worklist.page(query).readings)
    assert worklist.count(query) == len(found)
    return found


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        (Sort.NEWEST, [6, 5, 4, 3, 2, 1, 0]),
        (Sort.OLDEST, [0, 1, 2, 3, 4, 5, 6]),
        (Sort.HIGHEST, [3, 0, 4, 6, 1, 5, 2]),
        (Sort.LOWEST, [2, 5, 1, 6, 4, 0, 3]),
    ],
)
def test_the_list_has_the_order_asked_for(
    worklist: Worklist, sort: Sort, expected: list[int]
) -> None:
    assert listed(worklist, sort=sort) == expected


def test_the_least_certain_is_the_one_nearest_to_its_operating_point(worklist: Worklist) -> None:
    # Margins 0.02, 0.05, 0.2 (twice, but for the last bit), 0.41 (twice), 0.48.
    found = listed(worklist, sort=Sort.UNCERTAIN)
    assert (found[:2], set(found[2:4]), found[4:]) == ([6, 1], {4, 5}, [0, 3, 2])


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        ({"verdicts": (Verdict.PNEUMONIA,)}, [0, 3]),  # 4 is called pneumonia, but lies outside
        ({"verdicts": (Verdict.PNEUMONIA, Verdict.INDETERMINATE)}, [0, 3, 6]),
        ({"verdicts": (Verdict.OUTSIDE,)}, [1, 4]),
        ({"verdicts": (Verdict.OUTSIDE, Verdict.NORMAL)}, [1, 2, 4, 5]),
        ({"match": PopulationMatch.UNKNOWN}, [2, 5]),
        ({"model": "older"}, [0, 1, 2]),
        ({"reference": "acc"}, [1, 3, 4]),
        ({"reference": "10%"}, [1]),
        ({"reference": "C_1"}, [4]),  # an underscore is one, not any character
        ({"reference": "nobody"}, []),
        ({"since": START + timedelta(hours=5)}, [5, 6]),
        ({"until": START + timedelta(hours=1)}, [0]),
        ({"batch": "b" * 32}, [4, 5]),
        ({"model": "default", "verdicts": (Verdict.NORMAL,), "batch": "b" * 32}, [5]),
    ],
)
def test_the_list_holds_what_the_filters_let_through(
    worklist: Worklist, filters: dict[str, object], expected: list[int]
) -> None:
    assert listed(worklist, **filters) == expected


@pytest.mark.parametrize("sort", list(Sort))
def test_pages_of_two_are_the_list_forwards_and_backwards(worklist: Worklist, sort: Sort) -> None:
    query = Query(sort=sort)
    whole = numbers(worklist.page(query).readings)
    pages = [worklist.page(query, limit=2)]
    assert pages[0].previous is None
    while pages[-1].next:
        after = Place.parse(str(pages[-1].next), sort)  # as an address carries it
        pages.append(worklist.page(query, after=after, limit=2))
    assert [n for page in pages for n in numbers(page.readings)] == whole
    back = [pages[-1]]
    while back[-1].previous:
        before = Place.parse(str(back[-1].previous), sort)
        back.append(worklist.page(query, before=before, limit=2))
    assert [numbers(page.readings) for page in reversed(back)][1:] == [
        whole[n : n + 2] for n in (0, 2, 4, 6)
    ][-len(back) + 1 :]
    assert back[-1].next is not None


def test_a_reading_that_comes_meanwhile_is_neither_shown_twice_nor_pushes_one_out(
    worklist: Worklist, store: Store, make_reading: Callable[..., Reading]
) -> None:
    first = worklist.page(Query(), limit=3)
    store.add(make_reading(created_at=START + timedelta(days=1)), PNG)
    second = worklist.page(Query(), after=first.next, limit=3)
    assert numbers(first.readings) + numbers(second.readings) == [6, 5, 4, 3, 2, 1]


def test_neighbours_are_those_of_the_list_as_it_is_filtered(worklist: Worklist) -> None:
    query = Query(verdicts=(Verdict.PNEUMONIA, Verdict.NORMAL), sort=Sort.HIGHEST)
    in_order = worklist.page(query).readings  # 3, 0, 5, 2
    ids = [None, *(reading.id for reading in in_order), None]
    for here, reading in enumerate(in_order, start=1):
        assert worklist.neighbours(reading, query) == (ids[here - 1], ids[here + 1])


def test_neighbours_of_a_reading_that_left_the_list_are_where_it_stood(worklist: Worklist) -> None:
    indeterminate = worklist.page(Query(verdicts=(Verdict.INDETERMINATE,))).readings[0]
    query = Query(verdicts=(Verdict.NORMAL, Verdict.PNEUMONIA), sort=Sort.HIGHEST)
    assert worklist.neighbours(indeterminate, query) == (f"{0:032x}", f"{5:032x}")


def test_all_readings_come_whatever_fits_into_one_page(
    worklist: Worklist, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pneumonia.records.worklist._AT_ONCE", 2)
    assert numbers(list(worklist.all(Query()))) == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (ReviewState.NONE, [6]),
        (ReviewState.ANY, [0, 1, 2, 3, 4, 5]),
        (ReviewState.AGREE, [0, 2]),
        (ReviewState.DISAGREE, [3]),
        (ReviewState.UNSURE, [5]),
        # 1 was indeterminate and 4 lies outside: the model said nothing to agree with.
    ],
)
def test_the_list_holds_what_was_said_of_it(
    worklist: Worklist, store: Store, state: ReviewState, expected: list[int]
) -> None:
    yes, no, unsure = Opinion.PNEUMONIA, Opinion.NO_PNEUMONIA, Opinion.UNSURE
    for number, opinion in enumerate((yes, yes, no, no, yes, unsure)):
        Reviews(store).add(f"{number:032x}", Review(START, "A. B.", opinion))
    assert listed(worklist, review=state) == expected


def test_models_are_those_that_made_a_reading(worklist: Worklist) -> None:
    assert worklist.models() == ["default", "older"]


def test_a_deleted_reading_is_nowhere_until_it_is_brought_back(
    worklist: Worklist, store: Store
) -> None:
    ids = [f"{n:032x}" for n in (1, 2)]
    assert worklist.remove([*ids, "f" * 32]) == 2
    assert worklist.remove(ids) == 0  # the time of the first deletion stands
    assert listed(worklist) == [0, 3, 4, 5, 6]
    assert listed(worklist, deleted=True) == [1, 2]
    assert store.find(ids) == []
    for ask in (store.get, store.radiograph):
        with pytest.raises(ReadingNotFound, match="can be brought back"):
            ask(ids[0])
    assert worklist.bring_back([ids[1]]) == 1
    assert listed(worklist) == [0, 2, 3, 4, 5, 6]
    assert store.radiograph(ids[1]) == PNG


def test_a_deleted_reading_goes_for_good_when_its_time_is_over(
    worklist: Worklist, store: Store, tmp_path: Path
) -> None:
    worklist.remove([f"{n:032x}" for n in (1, 2)])
    long_ago = datetime.now(UTC) - KEPT - timedelta(minutes=1)
    with store.session("turn back the clock") as session:
        session.execute(
            text("UPDATE readings SET deleted_at = :then WHERE id LIKE '%1'"),
            {"then": long_ago.replace(tzinfo=None)},
        )
        session.commit()
    worklist.purge()
    assert listed(worklist, deleted=True) == [2]
    assert len(list(tmp_path.glob("films/**/*.png"))) == len(FILMS) - 1


@pytest.mark.parametrize("value", ["", "2026", "0.5", "x~y", "~", "0.5~../x", "nan,~a"])
def test_what_is_no_place_is_refused(value: str) -> None:
    for sort in (Sort.NEWEST, Sort.HIGHEST):
        with pytest.raises(ValueError):
            Place.parse(value, sort)


@pytest.mark.parametrize("sort", [Sort.NEWEST, Sort.LOWEST, Sort.UNCERTAIN])
@pytest.mark.parametrize(
    "filters",
    [
        {},
        {"reference": "acc", "verdicts": (Verdict.NORMAL,)},
        {"review": ReviewState.NONE, "model": "older"},
    ],
)
def test_a_list_is_found_in_an_index_alone(
    worklist: Worklist, store: Store, sort: Sort, filters: dict[str, object]
) -> None:
    from pneumonia.records.worklist import _ids

    query = Query(sort=sort, **filters)  # type: ignore[arg-type]
    place = Place.of(worklist.page(query).readings[0], sort) if not filters else None
    with store.session("explain") as session:
        compiled = (
            _ids(query, place, None)
            .limit(51)
            .compile(session.get_bind(), compile_kwargs={"literal_binds": True})
        )
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")
        steps = [row[-1] for row in plan]
    assert len(steps) == 1  # no sorting of its own
    assert "USING COVERING INDEX ix_readings_" in steps[0]
    assert steps[0].startswith("SEARCH" if place else "SCAN")
