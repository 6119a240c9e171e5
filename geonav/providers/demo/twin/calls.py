"""What was asked of the twin, and what the real services would have billed."""

from __future__ import annotations

import threading
from collections import Counter


class Calls:
    """Counters that all threads of a server share.

    Attributes:
        services: calls by service, those that a fault answered too.
        faults: faults by kind.
        paid: how often each billed call was made, by its address without key and signature.
        billed: billed calls by what they are billed as: ``street_view``, ``elevation``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.services: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.paid: Counter[str] = Counter()
        self.billed: Counter[str] = Counter()

    @property
    def total(self) -> int:
        """All calls."""
        with self._lock:
            return self.services.total()

    @property
    def billed_images(self) -> int:
        """Street View images that would have been billed."""
        return self.billed["street_view"]

    def count_call(self, service: str) -> None:
        """A call has come."""
        with self._lock:
            self.services[service] += 1

    def count_fault(self, kind: str) -> None:
        """A call is answered wrongly."""
        with self._lock:
            self.faults[kind] += 1

    def count_billed(self, billed_as: str, address: str) -> None:
        """A call is answered that costs money."""
        with self._lock:
            self.billed[billed_as] += 1
            self.paid[address] += 1
