"""Units lent and given back: turns, bounds, and an end to waiting."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from pneumonia.budget import Budget
from pneumonia.errors import Overloaded


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
    order = []

    def second() -> None:
        with budget.hold(10):
            order.append("second")

    with ThreadPoolExecutor(1) as pool:
        with budget.hold(2):
            waiting = pool.submit(second)
            time.sleep(0.05)
            order.append("first")
        waiting.result(10)
    assert order == ["first", "second"]
