"""Units lent and given back: turns, bounds, and an end to waiting."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pneumonia.budget import Budget
from pneumonia.errors import Overloaded


def wait_for(budget: Budget, count: int) -> None:
    """Until so many wait for their turn."""
    while len(budget._waiting) < count:
        time.sleep(0.001)


def test_what_is_left_is_lent_and_no_more() -> None:
    budget = Budget(10, small=1, wait_s=0.05)
    with budget.hold(6), budget.hold(4):
        with pytest.raises(Overloaded, match=r"within 0\.05 seconds\. Try again"), budget.hold(2):
            pass
        with budget.hold(1):  # small: not counted
            pass
    with budget.hold(10):
        pass


def test_what_failed_gives_back_too() -> None:
    budget = Budget(10, small=1, wait_s=0.05)
    with pytest.raises(ZeroDivisionError), budget.hold(10):
        raise ZeroDivisionError
    with budget.hold(10):
        pass


def test_more_than_all_is_all() -> None:
    budget = Budget(10, small=1, wait_s=0.05)
    with budget.hold(1000), pytest.raises(Overloaded), budget.hold(2):
        pass
    with budget.hold(10):
        pass


def test_who_waits_goes_on_when_it_is_given_back() -> None:
    budget = Budget(10, small=1, wait_s=30)
    order: list[str] = []

    def second() -> None:
        with budget.hold(10):
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        with budget.hold(2):
            waiting = pool.submit(second)
            wait_for(budget, 1)
            order.append("first")
        waiting.result(10)
    assert order == ["first", "second"]


def test_nobody_overtakes_one_that_waits_for_much() -> None:
    budget, order = Budget(10, small=1, wait_s=30), []

    def take(amount: int) -> None:
        with budget.hold(amount):
            order.append(amount)

    with ThreadPoolExecutor(2) as pool:
        with budget.hold(6):
            large = pool.submit(take, 10)
            wait_for(budget, 1)
            small = pool.submit(take, 4)  # there is room for it, and it came later
            wait_for(budget, 2)
            assert order == []
        large.result(10)
        small.result(10)
    assert order == [10, 4]


def test_one_that_gives_up_waiting_holds_up_nobody() -> None:
    budget = Budget(10, small=1, wait_s=0.05)
    with budget.hold(6):
        with pytest.raises(Overloaded), budget.hold(10):
            pass
        with budget.hold(4):
            pass
