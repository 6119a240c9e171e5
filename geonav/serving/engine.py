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
from concurrent.futures import CancelledError, Future, InvalidStateError
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from geonav.data.images import PictureBytes
from geonav.data.results import LocalizationResult
from geonav.errors import GeonavError, ImageError
from geonav.geometry.camera import Camera
from geonav.pipeline.localize import Localizer
from geonav.pipeline.query import PreparedPhoto, QueryPhoto
from geonav.pipeline.view_matches import ViewMatches
from geonav.serving.refusals import RefusedError, refusal_of

logger = logging.getLogger(__name__)

# Before anything was measured.
_USUAL_S = 3.0
_NEW_SHARE = 0.2
_LONGEST_WAIT_S = 120


class _AbandonedError(Exception):
    """Nobody waits for this any more."""


@dataclass(frozen=True)
class Answer:
    """What was found of one photo.

    Attributes:
        result: with the name the client gave the photo.
        size: width and height of the upright photo, pixels.
        matches: of each posed reference that was matched.
    """

    result: LocalizationResult
    size: tuple[int, int]
    matches: list[ViewMatches]


@dataclass(eq=False)
class Job:
    """One photo that somebody waits for.

    Attributes:
        photo: let go of once it is decoded.
        deadline: on ``time.monotonic``.
        camera: its calibration, if known.
        search: settings of ``[search]`` that replace the server's.
        top_k: references to retrieve; the server's if None.
        answer: comes, or a RefusedError.
    """

    photo: PictureBytes | None
    deadline: float
    camera: Camera | None = None
    search: dict[str, Any] = field(default_factory=dict)
    top_k: int | None = None
    answer: Future[Answer] = field(default_factory=Future)
    _is_abandoned: bool = False

    def abandon(self) -> None:
        """Nobody waits any more: it is not begun, or ends before its next match."""
        self._is_abandoned = True
        self.answer.cancel()

    def check(self) -> None:
        """Go on?

        Raises:
            RefusedError: its time is up.
        """
        if self._is_abandoned:
            raise _AbandonedError
        if time.monotonic() > self.deadline:
            raise too_slow()

    def fail(self, error: RefusedError) -> None:
        """Say why there is no answer."""
        try:
            self.answer.set_exception(error)
        except (InvalidStateError, CancelledError):
            self._is_abandoned = True


def too_slow() -> RefusedError:
    """The refusal of a request whose time is up."""
    return RefusedError(
        504, "this photo took longer than the server allows: name a place to search around, or try later"
    )


class Engine:
    """A bounded queue and the thread that works it off."""

    def __init__(self, load: Callable[[], Localizer], limit: int) -> None:
        """Nothing is loaded before :meth:`start`.

        Args:
            load: makes what locates, ``local.batch_size`` photos at once; runs in the thread.
            limit: photos that may wait.
        """
        self._load = load
        self.limit = limit
        self._max_batch = 1
        self._waiting: deque[Job] = deque()
        self._running: list[Job] = []
        self._changed = threading.Condition()
        self._is_stopped = False
        self._seconds = _USUAL_S
        self._thread = threading.Thread(target=self._run, name="geonav-engine", daemon=True)
        self.localizer: Localizer | None = None
        self.failure: BaseException | None = None

    def start(self) -> None:
        """Begin to load, then to work."""
        self._thread.start()

    def stop(self, wait_s: float) -> None:
        """Drop what waits, end what runs before its next match, and wait for that."""
        with self._changed:
            self._is_stopped = True
            for job in (*self._waiting, *self._running):
                job.fail(RefusedError(503, "the server is stopping: try again in a moment", 5))
                job._is_abandoned = True
            self._waiting.clear()
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(wait_s)

    @property
    def num_waiting(self) -> int:
        """Photos that wait."""
        return len(self._waiting)

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
            raise RefusedError(429, f"{self.limit} photos are waiting already: try again later", self.retry_after_s)

    def submit(self, job: Job) -> None:
        """Put a photo into the queue.

        Raises:
            RefusedError: it is full.
        """
        with self._changed:
            self.check_room()
            self._waiting.append(job)
            self._changed.notify()

    def drop(self, job: Job) -> None:
        """Nobody waits for a photo any more."""
        job.abandon()
        with self._changed:
            self._drop_abandoned()

    def _drop_abandoned(self) -> None:
        for job in [job for job in self._waiting if job._is_abandoned]:
            self._waiting.remove(job)

    def _run(self) -> None:
        try:
            self.localizer = self._load()
        except BaseException as error:  # noqa: BLE001 - the main thread tells of it
            self.failure = error
            return
        self._max_batch = self.localizer.config.local.batch_size
        while batch := self._take():
            start = time.monotonic()
            self._locate_all(batch, self.localizer)
            with self._changed:
                self._running = []
            each = (time.monotonic() - start) / len(batch)
            self._seconds += _NEW_SHARE * (each - self._seconds)

    def _take(self) -> list[Job]:
        """The photos to locate next; none once it is stopped."""
        with self._changed:
            while not self._is_stopped:
                while self._waiting and len(self._running) < self._max_batch:
                    job = self._waiting.popleft()
                    if job.answer.set_running_or_notify_cancel():
                        self._running.append(job)
                if self._running:
                    return self._running
                self._changed.wait()
            return []

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
            if answer is not None and not job.answer.done():
                job.answer.set_result(Answer(answer[0], query.photo.size, answer[1]))

    @staticmethod
    def _guarded(job: Job, work: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the work gives
        """Do it; what goes wrong is the job's answer."""
        try:
            return work()
        except _AbandonedError:
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
