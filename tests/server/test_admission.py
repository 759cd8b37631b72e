"""How many are let in, by what the machine has shown, on a clock of the test's own."""

import pytest

from pneumonia.server import admission
from pneumonia.server.admission import Admission


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(admission, "time", clock)
    return clock


def answer(own: Admission, clock: Clock, count: int, each_s: float) -> None:
    """A machine that answers one upload after the other, as many at once as are let in."""
    for _ in range(count):
        tickets = []
        while (ticket := own.admit()) is not None:
            tickets.append(ticket)
        for ticket in tickets:
            clock.now += each_s
            own.leave(ticket, was_answered=True)


def test_until_the_machine_has_shown_what_it_can_the_most_are_let_in(clock: Clock) -> None:
    own = Admission(32, 4.0)
    assert [own.admit() is not None for _ in range(33)] == [True] * 32 + [False]


@pytest.mark.parametrize(("each_s", "allowed"), [(0.5, 8), (1.0, 4), (0.01, 32), (60.0, 2)])
def test_as_many_as_the_machine_answers_within_the_bound(
    clock: Clock, each_s: float, allowed: int
) -> None:
    own = Admission(32, 4.0)
    answer(own, clock, 60, each_s)
    assert own.allowed == pytest.approx(allowed, abs=1)
    assert own.in_work == 0


def test_a_machine_that_becomes_fast_again_lets_more_in(clock: Clock) -> None:
    own = Admission(32, 4.0)
    answer(own, clock, 60, 2.0)
    assert own.allowed <= 2
    answer(own, clock, 60, 0.02)
    assert own.allowed == 32


def test_one_slow_upload_alone_closes_no_door(clock: Clock) -> None:
    own = Admission(32, 4.0)
    answer(own, clock, 10, 0.1)
    ticket = own.admit()
    assert ticket is not None
    clock.now += 3600
    own.leave(ticket, was_answered=True)
    assert own.allowed >= 8


def test_refusals_and_errors_say_nothing_about_its_speed(clock: Clock) -> None:
    own = Admission(32, 4.0)
    answer(own, clock, 60, 1.0)
    before = own.allowed
    for _ in range(100):
        ticket = own.admit()
        assert ticket is not None
        own.leave(ticket, was_answered=False)
    assert own.allowed == before
