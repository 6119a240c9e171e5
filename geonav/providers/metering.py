"""Paid calls, counted where they are made, and bounded before they are."""

from __future__ import annotations

import threading

from geonav.errors import UsageError


class CallMeter:
    """Counts the paid calls of one provider; safe to use from several threads at once.

    Every call that is answered with status 200 counts as paid, whether or not its answer can be used, as services do
    not say that they bill only whole pictures. A call that gets no answer, or another status, does not count.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mine = threading.local()
        self._most: int | None = None
        # Paid, or under way and perhaps to be paid.
        self._begun = 0

    def allow(self, calls: int | None) -> None:
        """Let this many more calls be paid; None lets any number."""
        with self._lock:
            self._begun, self._most = 0, calls

    def begin(self) -> None:
        """Before a call.

        Raises:
            UsageError: with those under way it would be one more than is allowed.
        """
        with self._lock:
            if self._most is not None and self._begun >= self._most:
                msg = (
                    f"stopped after {self._begun:,} paid calls, as one more may cost more than is allowed (answers that"
                    " cannot be used count too): raise --max-cost and run the command again to go on"
                )
                raise UsageError(msg)
            self._begun += 1

    def end(self, *, is_paid: bool) -> None:
        """After a call; ``is_paid`` where it was answered with status 200."""
        if is_paid:
            self._mine.calls = getattr(self._mine, "calls", 0) + 1
            return
        with self._lock:
            self._begun -= 1

    def take(self) -> int:
        """Paid calls of this thread since it last asked."""
        calls = getattr(self._mine, "calls", 0)
        self._mine.calls = 0
        return calls
