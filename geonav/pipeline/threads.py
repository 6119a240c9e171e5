"""Work beside the main thread: read ahead of it, write behind it, both within bounds.

The networks keep the main thread waiting in compiled code that other threads may run beside; pictures are decoded and
files written there, so that no core and no graphics processor stands idle for them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar

Item = TypeVar("Item")
Made = TypeVar("Made")


def ahead(
    make: Callable[[Item], Made], items: Iterable[Item], depth: int, workers: int = 1
) -> Generator[Made, None, None]:
    """What ``make`` gives of each item, in their order, made up to ``depth`` items before it is asked for.

    Args:
        make: raises whatever it likes; it comes up where its item is asked for.
        items: taken as they are needed.
        depth: how many results may wait in memory.
        workers: threads that make them.
    """
    rest = iter(items)
    with ThreadPoolExecutor(workers, thread_name_prefix="geonav-ahead") as pool:
        waiting = deque(pool.submit(make, item) for item in islice(rest, depth))
        try:
            while waiting:
                made = waiting.popleft().result()
                waiting.extend(pool.submit(make, item) for item in islice(rest, 1))
                yield made
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class Behind:
    """Does jobs one after another behind the main thread; leaving waits for those that were given.

    A job that fails stops the main thread at the next one given, or on leaving.
    """

    def __init__(self, depth: int) -> None:
        """``depth``: how many jobs may wait."""
        self._depth = depth
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="geonav-behind")
        self._given: deque[Future[Any]] = deque()

    def do(self, job: Callable[..., Any], *arguments: Any) -> None:  # noqa: ANN401 - whatever the job takes
        """Give a job, once fewer than ``depth`` wait."""
        while len(self._given) >= self._depth or (self._given and self._given[0].done()):
            self._given.popleft().result()
        self._given.append(self._pool.submit(job, *arguments))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Wait for all jobs; their own failures come up unless something else already does."""
        self._pool.shutdown(wait=True)
        if kind is None:
            for given in self._given:
                given.result()
