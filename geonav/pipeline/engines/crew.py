"""The workers of a Ray cluster: processes that hold the networks, replaced when they end."""

from __future__ import annotations

import logging
import os
import sys
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from geonav.pipeline.engines.base import Work, Worker

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Shape:
    """How many workers there are, and what each takes of the cluster.

    Attributes:
        workers: their number.
        threads: of each, for which it takes as many CPUs.
        gpus: graphics processors of each.
    """

    workers: int
    threads: int
    gpus: float


@dataclass
class Chunk:
    """Items that go to a worker together.

    Attributes:
        items: in their order.
        deaths: workers that ended while they did these and nothing else.
    """

    items: Sequence[Any]
    deaths: int = 0


@dataclass
class Seat:
    """One worker.

    Attributes:
        actor: its process, as Ray knows it.
        opening: what tells that it has opened the work; None once it has.
        given: chunks it was given and what tells that each is done, in their order: the first is under way.
    """

    actor: Any
    opening: Any | None = None
    given: deque[tuple[Any, Chunk]] = field(default_factory=deque)

    @property
    def awaited(self) -> Any | None:  # noqa: ANN401 - a reference of Ray's
        """What it will tell next."""
        if self.opening is not None:
            return self.opening
        return self.given[0][0] if self.given else None


class Crew:
    """The workers there are; each is replaced by another when its process ends."""

    def __init__(self, ray: ModuleType, shape: Shape) -> None:
        """Have the processes started; they come up while this one goes on."""
        self._ray = ray
        self.shape = shape
        self._kind = ray.remote(RayWorker).options(
            num_cpus=shape.threads,
            num_gpus=shape.gpus,
            max_restarts=0,
            max_task_retries=0,
            scheduling_strategy="SPREAD",
        )
        self.seats = [self._seat() for _ in range(shape.workers)]

    def open(self, work: Work[Any, Any]) -> None:
        """Have all open a kind of work, and let go of the one before."""
        for seat in self.seats:
            seat.opening = seat.actor.open.remote(work)

    def replace(self, seat: Seat, work: Work[Any, Any]) -> None:
        """Put another process in the place of one that ended, or that must."""
        self._end(seat)
        seat.actor = self._seat().actor
        seat.opening = seat.actor.open.remote(work)
        seat.given.clear()

    def stop(self, work: Work[Any, Any]) -> None:
        """End those that are at work, as nobody waits for it any more."""
        for seat in self.seats:
            if seat.given:
                self.replace(seat, work)

    def dismiss(self) -> None:
        """End all."""
        for seat in self.seats:
            self._end(seat)
        self.seats = []

    def _seat(self) -> Seat:
        return Seat(self._kind.remote(self.shape.threads))

    def _end(self, seat: Seat) -> None:
        with suppress(Exception):  # it has ended already, or its cluster has
            self._ray.kill(seat.actor)


class RayWorker:
    """What runs in a worker's process."""

    def __init__(self, threads: int) -> None:
        """Use so many threads, lest workers of one machine take each other's processors."""
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            os.environ[name] = str(threads)
        self._threads = threads
        self._worker: Worker[Any, Any] | None = None

    def open(self, work: Work[Any, Any]) -> None:
        """Load what a kind of work needs."""
        self._worker = None  # first: two networks may be more than memory holds
        self._worker = work.open()
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(self._threads)

    def do(self, items: Sequence[Any]) -> list[Any]:
        """Do some items; a result of each."""
        if self._worker is None:
            msg = "nothing was opened"
            raise RuntimeError(msg)
        return list(self._worker.work(items))
