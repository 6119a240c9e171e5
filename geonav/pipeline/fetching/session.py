"""One step of fetching: jobs go to threads, what comes of them to the manifest, in batches.

What fails alone is stored as failed. What shows that nothing else will work either, as a refused key, a used-up quota
or a service that fails many times in a row, ends the step at once; what came before is kept, and what is not stored
is asked for again by the next run.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from geonav.config import GeonavConfig
from geonav.data.manifest import Manifest
from geonav.data.manifest_rows import Status
from geonav.data.progress import OnProgress, ProgressEvent, announce
from geonav.errors import AuthError, GeonavError, MissingError, NetworkError, QuotaError, StorageError, UsageError
from geonav.pipeline.fetching.workers import Workers
from geonav.providers.redaction import redact

logger = logging.getLogger(__name__)
Job = TypeVar("Job")
Result = TypeVar("Result")
Operation = Callable[[], None]
"""Writes to the manifest, inside a transaction."""

_BATCH = 200
_BATCH_S = 1.0
_LEAST_OUTAGE = 16
_FATAL = (AuthError, QuotaError, StorageError, UsageError)


@dataclass(frozen=True)
class Step(Generic[Job, Result]):
    """What is to be fetched, and what is to be done with it.

    Attributes:
        stage: its name in progress and reports.
        jobs: one call each; read as they are started.
        total: number of jobs.
        work: makes the call; runs in any thread.
        succeeded: gives what to write for a result; runs in the main thread, in the order of results.
        failed: gives what to write for a job that failed or is missing.
        label: names a job for progress.
        is_paid: whether a job costs money, so that a kill must not lose more of them than there are threads.
    """

    stage: str
    jobs: Iterable[Job]
    total: int
    work: Callable[[Job], Result]
    succeeded: Callable[[Job, Result], Operation]
    failed: Callable[[Job, Status, str], Operation]
    label: Callable[[Job], str]
    is_paid: bool = False


class _Recorder:
    """Stores operations in batches; failures wait until a success shows that they are no outage."""

    def __init__(self, manifest: Manifest, outage_after: int) -> None:
        self._manifest = manifest
        self._outage_after = outage_after
        self._batch: list[Operation] = []
        self._streak: list[Operation] = []
        self._last_error: NetworkError | None = None
        self._has_answer = False
        self._flushed_s = time.monotonic()

    def store(self, operation: Operation) -> None:
        """Store what an answer came to."""
        self._has_answer = True
        self._batch += [*self._streak, operation]
        self._streak.clear()
        if len(self._batch) >= _BATCH or time.monotonic() - self._flushed_s > _BATCH_S:
            self.flush()

    def fail(self, operation: Operation, error: NetworkError) -> None:
        """Store a failure of the network.

        Raises:
            NetworkError: there were so many in a row that the service or the network is down.
        """
        self._streak.append(operation)
        self._last_error = error
        if len(self._streak) >= self._outage_after:
            msg = f"{len(self._streak)} calls in a row failed, the last one: {_with_advice(error)}"
            self._streak.clear()
            raise NetworkError(msg) from error

    def finish(self) -> None:
        """Store the failures that came last.

        Raises:
            NetworkError: not one call got an answer.
        """
        if self._streak and not self._has_answer:
            msg = f"every call failed, the last one: {_with_advice(self._last_error)}"
            raise NetworkError(msg) from self._last_error
        self._batch += self._streak
        self._streak.clear()

    def flush(self) -> None:
        """Write what is waiting, in one transaction."""
        self._flushed_s = time.monotonic()
        if self._batch:
            with self._manifest.transaction():
                for operation in self._batch:
                    operation()
            self._batch.clear()


def carry_out(step: Step[Job, Result], manifest: Manifest, config: GeonavConfig, on_progress: OnProgress | None) -> int:
    """Do a step's jobs; how many were brought to an end.

    Raises:
        AuthError: a key was refused.
        QuotaError: the quota is used up.
        NetworkError: the service or the network is down.
        StorageError: the database cannot be written.
        KeyboardInterrupt: the user wants it to end.
    """
    count = config.fetch.workers
    # Twice as many, so that no thread waits for the storing one.
    workers = Workers[Job, Result](step.work, count, count if step.is_paid else 2 * count)
    recorder = _Recorder(manifest, max(_LEAST_OUTAGE, 2 * config.fetch.workers))
    fatal: Exception | None = None
    done = 0
    try:
        for outcome in workers.run(step.jobs):
            try:
                _record(step, recorder, outcome.job, outcome.result, outcome.error)
            except Exception as error:  # noqa: BLE001 - raised again once what came before is stored
                fatal = fatal or error
                workers.stop()
                continue
            done += 1
            announce(on_progress, ProgressEvent(step.stage, done, step.total, step.label(outcome.job)))
        if fatal is None:
            recorder.finish()
    finally:
        recorder.flush()
    if fatal is not None:
        raise fatal
    return done


def _with_advice(error: NetworkError | None) -> str:
    said = str(error)
    return said if "run the command again" in said else f"{said}; run the command again to go on"


def _record(
    step: Step[Job, Result], recorder: _Recorder, job: Job, result: Result | None, error: Exception | None
) -> None:
    if error is None:
        recorder.store(step.succeeded(job, result))  # type: ignore[arg-type]
        return
    if isinstance(error, _FATAL) or not isinstance(error, GeonavError):
        raise error
    # Providers hide their keys themselves; a reason is kept for good, so that it is looked through once more.
    reason = redact(str(error))
    logger.info("%s: %s", step.label(job), reason)
    if isinstance(error, NetworkError):
        recorder.fail(step.failed(job, Status.FAILED, reason), error)
    else:
        recorder.store(step.failed(job, Status.MISSING if isinstance(error, MissingError) else Status.FAILED, reason))
