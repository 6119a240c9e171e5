"""When the next call may go out: the service's limit, and pauses between tries."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

BACKOFF_MAX_S = 30.0


class RateLimit:
    """Lets at most so many calls through in any minute; safe to share between threads."""

    def __init__(self, per_minute: int) -> None:
        """``per_minute`` calls; up to a 61st of them may go out at once, and the rest is evenly spread."""
        self._burst = max(1.0, per_minute / 61.0)
        # With a burst of b calls, 60 seconds see b + 60 / interval of them: a minute's worth.
        self._interval_s = 60.0 / max(per_minute - self._burst, per_minute / 2.0)
        self._lock = threading.Lock()
        self._all_due_s = 0.0

    def wait(self) -> None:
        """Sleep until this call's turn."""
        with self._lock:
            now = time.monotonic()
            self._all_due_s = max(self._all_due_s, now) + self._interval_s
            pause_s = self._all_due_s - now - self._burst * self._interval_s
        if pause_s > 0:
            time.sleep(pause_s)


def backoff_s(base_s: float, tries: int) -> float:
    """Seconds to wait after ``tries`` failed ones: doubling, spread by half so that threads do not come back as one."""
    # The exponent is bounded before the power: a float overflows past 2 ** 1023.
    doubled = base_s * 2.0 ** min(tries - 1, 60)
    return min(doubled, BACKOFF_MAX_S) * random.uniform(0.5, 1.5)  # noqa: S311 - spreads load, hides nothing


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that a ``Retry-After`` header asks for; None where there is none that can be read.

    A date is counted from the answer's own ``Date``, so that a clock that is off here does no harm.
    """
    value = headers.get("Retry-After")
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        seconds = (parsedate_to_datetime(value) - parsedate_to_datetime(headers["Date"])).total_seconds()
    except (KeyError, TypeError, ValueError):
        return None
    return max(seconds, 0.0)
