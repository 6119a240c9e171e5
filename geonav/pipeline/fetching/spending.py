"""What the jobs of a run have cost so far, from the threads that make the calls to the one that writes it down."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from geonav.config import GeonavConfig
from geonav.pipeline.pricing import affordable
from geonav.providers.base import Provider
from geonav.providers.metering import CallMeter


class Spending:
    """Paid calls by job, until they are written together with what became of the job."""

    def __init__(self, paid_as: str | None, meter: CallMeter | None) -> None:
        """Of a provider without a meter every job that succeeds is one paid call."""
        self._paid_as = paid_as
        self._meter = meter
        self._lock = threading.Lock()
        self._calls: dict[str, int] = {}

    @classmethod
    def of(cls, provider: Provider) -> Self:
        """That of a provider's jobs; one that has a ``meter`` counts its own calls."""
        return cls(provider.paid_as, getattr(provider, "meter", None))

    def limit(self, config: GeonavConfig, used: int) -> None:
        """Let no call begin that may cost more than is allowed, ``used`` having been made this month."""
        most_usd = config.fetch.max_cost_usd
        if self._meter is not None and self._paid_as is not None and most_usd is not None:
            self._meter.allow(affordable(most_usd, getattr(config.prices, self._paid_as), used))

    @contextmanager
    def counted(self, job: str) -> Iterator[None]:
        """Around the calls of a job, in any thread."""
        if self._paid_as is None:
            yield
            return
        calls = 0 if self._meter is not None else 1
        try:
            yield
        except BaseException:
            calls = 0
            raise
        finally:
            calls += 0 if self._meter is None else self._meter.take()
            if calls:
                with self._lock:
                    self._calls[job] = self._calls.get(job, 0) + calls

    def take(self, job: str) -> int:
        """Paid calls of a job that are now written down."""
        with self._lock:
            return self._calls.pop(job, 0)

    def take_all(self) -> int:
        """Paid calls of all jobs that were not written down."""
        with self._lock:
            calls = sum(self._calls.values())
            self._calls.clear()
        return calls
