"""Calls gathered while others are worked on: each gets its own result, whoever leads, and nobody waits for ever."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from serving.gathering import Gathered

SECONDS = 20


class Work:
    """Doubles numbers, raises what is no number, and holds the first group until it is let go."""

    def __init__(self):
        self.groups, self.begun, self.go = [], threading.Event(), threading.Event()

    def __call__(self, asked):
        self.groups.append(asked)
        self.begun.set()
        assert self.go.wait(SECONDS)
        return [2 * each if isinstance(each, int) else each for each in asked]


@pytest.fixture
def threads():
    with ThreadPoolExecutor(40) as pool:
        yield pool


def crowd(threads, work, gathered, asked):
    """Futures of calls, the first of which is being worked on while the others come."""
    first = threads.submit(gathered, asked[0])
    assert work.begun.wait(SECONDS)
    later = [threads.submit(gathered, each) for each in asked[1:]]
    while len(gathered._waiting) < len(later):
        pass
    work.go.set()
    return [first, *later]


def test_alone_a_call_is_worked_on_at_once():
    work = Work()
    work.go.set()
    gathered = Gathered(work, most=4)
    assert [gathered(each) for each in (1, 2)] == [2, 4]
    assert work.groups == [[1], [2]]


def test_what_came_meanwhile_goes_together_at_most_so_many_at_a_time(threads):
    work = Work()
    found = crowd(threads, work, Gathered(work, most=4), list(range(11)))
    assert [each.result(SECONDS) for each in found] == [2 * each for each in range(11)]
    assert [len(group) for group in work.groups] == [1, 4, 4, 2]
    assert sorted(each for group in work.groups for each in group) == list(range(11))


def test_an_error_is_raised_where_it_belongs_and_nowhere_else(threads):
    work, wrong = Work(), ValueError("no number")
    found = crowd(threads, work, Gathered(work, most=8), [1, wrong, 3])
    assert (found[0].result(SECONDS), found[2].result(SECONDS)) == (2, 6)
    with pytest.raises(ValueError, match="no number"):
        found[1].result(SECONDS)


def test_work_that_breaks_down_is_told_to_all_of_its_group_and_to_no_later_one(threads):
    broken = []

    def work(asked):
        if not broken:
            broken.append(asked)
            raise RuntimeError("broken")
        return asked

    gathered = Gathered(work, most=8)
    with pytest.raises(RuntimeError, match="broken"):
        gathered(1)
    assert gathered(2) == 2


def test_work_that_returns_too_little_leaves_nobody_waiting(threads):
    gathered = Gathered(lambda asked: asked[1:], most=8)
    for _ in range(2):
        with pytest.raises(ValueError, match="shorter"):
            threads.submit(gathered, 1).result(SECONDS)


def test_a_storm_leaves_nobody_waiting(threads):
    gathered = Gathered(lambda asked: [-each for each in asked], most=5)
    assert list(threads.map(gathered, range(3000), timeout=SECONDS)) == [-each for each in range(3000)]
    assert not gathered._led
