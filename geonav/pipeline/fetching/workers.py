"""Calls in several threads, few under way at once, their results handed to the one thread that stores them."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Generic, TypeVar

Job = TypeVar("Job")
Result = TypeVar("Result")

GRACE_S = 10.0


class _Sign(Enum):
    """What the storing thread may find instead of an outcome."""

    SKIPPED = auto()
    WAKE = auto()
    TOO_LATE = auto()


@dataclass(frozen=True)
class Outcome(Generic[Job, Result]):
    """How one job ended: with a result, or with what was raised."""

    job: Job
    result: Result | None = None
    error: Exception | None = None


class Workers(Generic[Job, Result]):
    """Threads that do ``work``; they end with the process, so that a stuck connection never keeps it."""

    def __init__(self, work: Callable[[Job], Result], count: int, at_once: int) -> None:
        """Prepare ``count`` threads; at most ``at_once`` jobs are begun whose outcome was not yet taken."""
        self._work = work
        self._count = count
        self._at_once = at_once
        self._tasks: SimpleQueue[Job | None] = SimpleQueue()
        self._outcomes: SimpleQueue[Outcome[Job, Result] | _Sign] = SimpleQueue()
        # No Event: a signal's handler sets it, and must not wait for a lock that the thread it interrupts holds.
        self._is_stopped = False
        self._is_interrupted = False
        self._deadline: float | None = None

    def stop(self, grace_s: float = GRACE_S) -> None:
        """Start no more jobs; those under way may still end within the grace, as they may have been paid for."""
        if not self._is_stopped:
            self._deadline = time.monotonic() + grace_s
            self._is_stopped = True

    def run(self, jobs: Iterable[Job]) -> Iterator[Outcome[Job, Result]]:
        """Outcomes in the order in which jobs end.

        Raises:
            KeyboardInterrupt: the user wants it to end, once the jobs under way have ended; at once the second time.
        """
        threads = [threading.Thread(target=self._serve, daemon=True) for _ in range(self._count)]
        for thread in threads:
            thread.start()
        try:
            with self._interrupts():
                yield from self._all(iter(jobs))
        finally:
            self._is_stopped = True
            for _ in threads:
                self._tasks.put(None)
        if self._is_interrupted:
            raise KeyboardInterrupt

    @contextmanager
    def _interrupts(self) -> Iterator[None]:
        """Let Ctrl-C stop the run between two outcomes, where no outcome can be lost and no row half written."""
        usual = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or usual is not signal.default_int_handler:
            yield
            return

        def interrupt(number: int, frame: FrameType | None) -> None:
            if self._is_interrupted:
                signal.default_int_handler(number, frame)
            self._is_interrupted = True
            self.stop()
            self._outcomes.put(_Sign.WAKE)

        signal.signal(signal.SIGINT, interrupt)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, usual)

    def _all(self, jobs: Iterator[Job]) -> Iterator[Outcome[Job, Result]]:
        under_way, is_more = 0, True
        while True:
            while is_more and not self._is_stopped and under_way < self._at_once:
                for job in jobs:
                    self._tasks.put(job)
                    under_way += 1
                    break
                else:
                    is_more = False
            if not under_way:
                return
            outcome = self._next()
            if outcome is _Sign.TOO_LATE:
                return
            if outcome is _Sign.WAKE:
                continue
            under_way -= 1
            if isinstance(outcome, Outcome):
                yield outcome

    def _next(self) -> Outcome[Job, Result] | _Sign:
        if self._deadline is None:
            return self._outcomes.get()
        try:
            return self._outcomes.get(timeout=max(self._deadline - time.monotonic(), 0.001))
        except Empty:
            return _Sign.TOO_LATE

    def _serve(self) -> None:
        while (job := self._tasks.get()) is not None:
            if self._is_stopped:
                self._outcomes.put(_Sign.SKIPPED)
                continue
            try:
                outcome = Outcome[Job, Result](job, self._work(job))
            except Exception as error:  # noqa: BLE001 - handed to the thread that waits for it
                outcome = Outcome(job, error=error)
            self._outcomes.put(outcome)
