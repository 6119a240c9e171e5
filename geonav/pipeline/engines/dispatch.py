"""Handing items to the workers of a cluster, and handing out again what a worker that ended has not done.

A worker's process may end at any time: killed, out of memory, or with its machine. What it was doing is done again by
others, one item at a time and after all else, so that an item that ends every worker is found, stops nothing but
itself, and is given up after some tries. What only waited for that worker goes to the next one.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from types import ModuleType
from typing import Any, Generic, TypeVar, cast

from geonav.errors import PartialError
from geonav.pipeline.engines.base import Done, Work
from geonav.pipeline.engines.crew import Chunk, Crew, Seat
from geonav.settings.engine import EngineConfig

logger = logging.getLogger(__name__)
Item = TypeVar("Item")
Result = TypeVar("Result")

# So often the tries of one item, workers may end with nothing done in between before the run is stopped.
_MOST_DEATHS = 20
# Workers that end before they have opened the work, with none in between that has.
_MOST_FAILED_OPENINGS = 20
_PATIENCE_S = 60.0


class Dispatch(Generic[Item, Result]):
    """One kind of work for some items."""

    def __init__(
        self, ray: ModuleType, crew: Crew, work: Work[Item, Result], items: Sequence[Item], section: EngineConfig
    ) -> None:
        """Bind the parts; nothing is begun."""
        self._ray = ray
        self._crew = crew
        self._work = work
        self._section = section
        # Few items are spread over all workers rather than given to one.
        size = max(1, min(section.chunk, len(items) // (crew.shape.workers * section.in_flight)))
        self._fresh: Iterator[Chunk] = iter(_chunks(items, size))
        self._again: deque[Chunk] = deque()
        self._suspect: deque[Chunk] = deque()
        self._deaths = 0
        self._failed_openings = 0

    def results(self) -> Generator[Done[Item, Result], None, None]:
        """What is done, as it is done; closed early, it ends the workers that are at it."""
        self._crew.open(self._work)
        try:
            while True:
                self._hand_out()
                if not any(seat.given for seat in self._crew.seats) and not self._is_more():
                    return
                for seat in self._told():
                    yield from self._taken(seat)
        finally:
            self._crew.stop(self._work)

    def _hand_out(self) -> None:
        """Give chunks to those that are ready, the one with the least first."""
        for depth in range(self._section.in_flight):
            for seat in self._crew.seats:
                if seat.opening is None and len(seat.given) == depth and (chunk := self._next()) is not None:
                    seat.given.append((seat.actor.do.remote(list(chunk.items)), chunk))

    def _next(self) -> Chunk | None:
        if self._again:
            return self._again.popleft()
        chunk = next(self._fresh, None)
        if chunk is None and self._suspect:
            return self._suspect.popleft()
        return chunk

    def _is_more(self) -> bool:
        chunk = self._next()
        if chunk is not None:
            self._again.appendleft(chunk)
        return chunk is not None

    def _told(self) -> list[Seat]:
        """Seats that have something to tell; waits until one has."""
        awaited = {seat.awaited: seat for seat in self._crew.seats if seat.awaited is not None}
        ready: list[Any] = []
        while not ready:
            ready, _ = self._ray.wait(list(awaited), num_returns=1, timeout=_PATIENCE_S)
            if not ready and all(seat.opening is not None for seat in self._crew.seats):
                logger.warning("no worker of the Ray cluster is ready yet: still waiting")
        return [awaited[reference] for reference in ready]

    def _taken(self, seat: Seat) -> Iterator[Done[Item, Result]]:
        """Take what a worker tells, or that it ended."""
        from ray.exceptions import RayError, RayTaskError

        try:
            told = self._ray.get(seat.awaited)
        except RayTaskError as error:
            raise _cause(error) from error
        except RayError as error:
            yield from self._lost(seat, error)
            return
        if seat.opening is not None:
            seat.opening, self._failed_openings = None, 0
            return
        self._deaths = 0
        _, chunk = seat.given.popleft()
        for item, result in zip(chunk.items, cast("list[Result]", told), strict=True):
            yield Done(item, result)

    def _lost(self, seat: Seat, error: Exception) -> Iterator[Done[Item, Result]]:
        """Put another worker in place of one that ended, and what it had back into the queue.

        Raises:
            PartialError: too many ended with nothing done in between.
        """
        self._deaths += 1
        self._failed_openings += seat.opening is not None
        reason = " ".join(str(error).split())
        logger.info("a worker ended and is replaced: %s", reason)
        most = _MOST_DEATHS * self._section.tries
        if self._deaths >= most or self._failed_openings >= _MOST_FAILED_OPENINGS:
            count = max(self._deaths, self._failed_openings)
            msg = (
                f"{count} workers of the Ray cluster ended one after the other, the last one: {reason[:300]}; what was"
                " done is kept: give them more memory or less --workers, and run the command again"
            )
            raise PartialError(msg) from error
        chunks = [chunk for _, chunk in seat.given]
        self._crew.replace(seat, self._work)
        self._again.extendleft(reversed(chunks[1:]))
        if not chunks:
            return
        under_way = chunks[0]
        if len(under_way.items) > 1:
            self._suspect.extend(Chunk([item]) for item in under_way.items)
            return
        under_way.deaths += 1
        if under_way.deaths < self._section.tries:
            self._suspect.append(under_way)
            return
        failure = f"given up, as {under_way.deaths} workers ended while they were at it: is there memory enough for it?"
        yield Done(cast("Item", under_way.items[0]), None, failure)


def _chunks(items: Sequence[Item], size: int) -> Iterator[Chunk]:
    rest = iter(items)
    while some := list(islice(rest, size)):
        yield Chunk(some)


def _cause(error: Any) -> BaseException:  # noqa: ANN401 - Ray's own error
    """What the worker raised, without Ray's account of where."""
    logger.debug("a worker raised: %s", error)
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, BaseException) else cast("BaseException", error)
