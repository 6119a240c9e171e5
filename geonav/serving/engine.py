"""The thread that locates: one photo after the other, for everybody who waits.

On a processor one photo already keeps all cores busy; on a graphics processor the keypoints of photos that wait are
computed together.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from geonav.data.results import LocalizationResult
from geonav.errors import GeonavError, ImageError
from geonav.pipeline.localize import Localizer
from geonav.pipeline.query import PreparedPhoto, QueryPhoto
from geonav.pipeline.view_matches import ViewMatches
from geonav.serving.jobs import AbandonedError, Answer, Job
from geonav.serving.refusals import RefusedError, refusal_of

logger = logging.getLogger(__name__)

# Before anything was measured.
_USUAL_S = 3.0
_NEW_SHARE = 0.2
_LONGEST_WAIT_S = 120


class Source(Protocol):
    """Where the engine's networks and references come from."""

    def load(self) -> Localizer:
        """Make what locates, ``local.batch_size`` photos at once."""
        ...

    def has_changed(self) -> bool:
        """Whether loading anew would give something else; asked before every batch."""
        ...


class Engine:
    """A bounded queue and the thread that works it off."""

    def __init__(self, source: Source, limit: int, max_wait_s: float = 0.0) -> None:
        """Nothing is loaded before :meth:`start`.

        Args:
            source: is loaded in the thread, and anew there when it has changed.
            limit: photos that may wait.
            max_wait_s: how long a photo waits for others to be computed with, where several are.
        """
        self._source = source
        self.limit = limit
        self._max_wait_s = max_wait_s
        self._max_batch = 1
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []
        self._changed = threading.Condition()
        self._is_stopped = False
        self._must_reload = False
        self._seconds = _USUAL_S
        self._thread = threading.Thread(target=self._run, name="geonav-engine", daemon=True)
        self.localizer: Localizer | None = None
        self.failure: BaseException | None = None
        self.on_batch: Callable[[int], None] = lambda _: None

    def start(self) -> None:
        """Begin to load, then to work."""
        self._thread.start()

    def stop(self, wait_s: float) -> None:
        """Drop what waits, end what runs before its next match, and wait for that."""
        with self._changed:
            self._is_stopped = True
            for job in (*self._waiting, *self._running):
                job.fail(_stopping())
                job.is_abandoned = True
            self._waiting.clear()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(wait_s)

    def reload(self) -> None:
        """Read the database anew before the next photo, whether or not it seems to have changed."""
        with self._changed:
            self._must_reload = True
            self._changed.notify_all()

    @property
    def num_waiting(self) -> int:
        """Photos that wait."""
        return len(self._waiting)

    @property
    def num_running(self) -> int:
        """Photos that are worked on."""
        return len(self._running)

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits and nothing runs."""
        return not self._waiting and not self._running

    @property
    def retry_after_s(self) -> int:
        """When to ask again: half of what waits is done then, so that those who come back find room, not a gap."""
        return max(1, min(math.ceil(self._seconds * max(len(self._waiting), 1) / 2), _LONGEST_WAIT_S))

    def check_room(self) -> None:
        """Is there room in the queue?

        Raises:
            RefusedError: no.
        """
        self._drop_abandoned()
        if len(self._waiting) >= self.limit:
            waiting = "1 photo is" if self.limit == 1 else f"{self.limit} photos are"
            raise RefusedError(429, f"{waiting} waiting already: try again later", self.retry_after_s)

    def submit(self, job: Job) -> None:
        """Put a photo into the queue.

        Raises:
            RefusedError: it is full.
        """
        with self._changed:
            if self._is_stopped:
                raise _stopping()
            self.check_room()
            self._waiting.append(job)
            self._changed.notify()

    def drop(self, job: Job) -> None:
        """Nobody waits for a photo any more."""
        job.abandon()
        with self._changed:
            self._drop_abandoned()

    def _drop_abandoned(self) -> None:
        for job in [job for job in self._waiting if job.is_abandoned]:
            self._waiting.remove(job)

    def _run(self) -> None:
        try:
            self._take_over(self._source.load())
            self._work()
        except BaseException as error:  # noqa: BLE001 - the main thread tells of it
            self.failure = error

    def _work(self) -> None:
        while (batch := self._take()) is not None:
            start = time.monotonic()
            localizer = self._current()
            if batch:
                self.on_batch(len(batch))
                self._locate_all(batch, localizer)
                each = (time.monotonic() - start) / len(batch)
                self._seconds += _NEW_SHARE * (each - self._seconds)
            with self._changed:
                self._running = []

    def _take_over(self, localizer: Localizer) -> Localizer:
        self._max_batch = localizer.config.local.batch_size
        self.localizer = localizer
        return localizer

    def _current(self) -> Localizer:
        """What locates now; a database that cannot be read any more leaves the one that could."""
        assert self.localizer is not None  # noqa: S101 - loaded before anything is taken
        with self._changed:
            asked, self._must_reload = self._must_reload, False
        if not (asked or self._source.has_changed()):
            return self.localizer
        try:
            loaded = self._take_over(self._source.load())
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the server goes on
            logger.error("the database has changed and cannot be read anew, the old one is kept: %s", error)  # noqa: TRY400
            return self.localizer
        logger.info("the database has changed and was read anew: %d references", len(loaded.database))
        return loaded

    def _take(self) -> list[Job] | None:
        """The photos to locate next, none where something else is to be done; None once it is stopped."""
        with self._changed:
            while not self._is_stopped:
                self._fill()
                if self._running:
                    self._gather(time.monotonic() + self._max_wait_s)
                    return self._running
                if self._must_reload:
                    return []
                self._changed.wait()
            return None

    def _gather(self, until: float) -> None:
        """Wait for more photos, where several are computed together."""
        while len(self._running) < self._max_batch and not self._is_stopped:
            left = until - time.monotonic()
            if left <= 0 or not self._changed.wait(left):
                return
            self._fill()

    def _fill(self) -> None:
        while self._waiting and len(self._running) < self._max_batch:
            job = self._waiting.popleft()
            if job.answer.set_running_or_notify_cancel():
                self._running.append(job)

    def _locate_all(self, batch: list[Job], localizer: Localizer) -> None:
        read = [(job, query) for job in batch if (query := self._guarded(job, partial(_read, job, localizer)))]
        if not read:
            return
        try:
            prepared = localizer.prepare([query for _, query in read])
        except Exception as error:  # noqa: BLE001 - one bad photo must not end the thread
            for job, _ in read:
                _fail_unforeseen(job, error)
            return
        for (job, query), each in zip(read, prepared, strict=True):
            answer = self._guarded(job, partial(_located, job, each, localizer))
            if answer is not None:
                job.succeed(Answer(answer[0], query.photo.size, answer[1]))

    @staticmethod
    def _guarded(job: Job, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the work gives
        """Do it; what goes wrong is the job's answer."""
        try:
            return work()
        except AbandonedError:
            return None
        except ImageError as error:
            job.fail(refusal_of(error))
        except RefusedError as error:
            job.fail(error)
        except Exception as error:  # noqa: BLE001 - one bad photo must not end the thread
            _fail_unforeseen(job, error)
        return None


def _read(job: Job, localizer: Localizer) -> QueryPhoto | None:
    job.check()
    photo, job.photo = job.photo, None
    return None if photo is None else localizer.read(photo, job.camera)


def _located(job: Job, photo: PreparedPhoto, localizer: Localizer) -> tuple[LocalizationResult, list[ViewMatches]]:
    matches: list[ViewMatches] = []
    if job.search or job.top_k is not None:
        localizer = localizer.with_settings(job.search, job.top_k)
    result = localizer.locate(photo, on_matched=matches.extend, check=job.check)
    return result, matches


def _fail_unforeseen(job: Job, error: Exception) -> None:
    logger.error(
        "a photo could not be worked on: %s: %s", type(error).__name__, error, exc_info=logger.isEnabledFor(10)
    )
    what = (
        "a file of the database cannot be read" if isinstance(error, GeonavError) else "something unforeseen went wrong"
    )
    job.fail(RefusedError(500, f"{what}: the server's log says what"))


def _stopping() -> RefusedError:
    return RefusedError(503, "the server is stopping: try again in a moment", 5)
