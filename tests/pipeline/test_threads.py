"""Work beside the main thread keeps its order, its bounds and its failures."""

from __future__ import annotations

import threading
import time
from contextlib import closing

import pytest

from geonav.pipeline.threads import Behind, ahead


def test_results_come_in_the_order_of_their_items() -> None:
    def make(number: int) -> int:
        time.sleep(0.002 * (5 - number % 5))
        return number * 10

    assert list(ahead(make, range(20), depth=4, workers=3)) == [10 * number for number in range(20)]
    assert list(ahead(make, [], depth=4)) == []


def test_no_more_is_made_than_may_wait() -> None:
    made: list[int] = []
    with closing(ahead(lambda number: made.append(number) or number, range(100), depth=3)) as results:
        for number in results:
            if number == 4:
                time.sleep(0.05)
                break
    assert len(made) <= 4 + 1 + 3


def test_a_failure_comes_up_at_its_item_and_ends_the_rest() -> None:
    def make(number: int) -> int:
        if number == 2:
            raise ValueError(number)
        return number

    results = ahead(make, range(1000), depth=4)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="2"):
        next(results)
    assert not [each for each in threading.enumerate() if each.name.startswith("geonav-ahead")]


def test_jobs_are_done_in_order_and_before_leaving() -> None:
    done: list[int] = []
    with Behind(depth=2) as writer:
        for number in range(10):
            writer.do(lambda each: (time.sleep(0.002), done.append(each)), number)
            assert number + 1 - len(done) <= 3  # two wait, one is given
    assert done == list(range(10))


def test_a_failed_job_comes_up() -> None:
    def fail() -> None:
        raise OSError(28, "full")

    def write(times: int) -> None:
        with Behind(depth=1) as writer:
            for _ in range(times):
                writer.do(fail)

    for times in (1, 5):
        with pytest.raises(OSError, match="full"):
            write(times)


def test_jobs_given_before_an_interruption_are_done() -> None:
    done: list[int] = []

    def interrupted() -> None:
        with Behind(depth=4) as writer:
            writer.do(lambda: (time.sleep(0.02), done.append(1)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done == [1]
