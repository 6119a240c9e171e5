"""A pause between calls that all processes of a user keep together, as a service's policy may ask."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from geonav.data.files import storage_errors

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_STAMP_BYTES = 32


@contextmanager
def paced(stamp: Path, interval_s: float) -> Iterator[None]:
    """Wait for the turn, and let the next call start no earlier than ``interval_s`` after this one has ended.

    Args:
        stamp: file that holds when the last call was; made if there is none.
        interval_s: between two calls.

    Raises:
        StorageError: the file cannot be written.
    """
    with storage_errors(stamp):
        stamp.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(stamp, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _wait_for_lock(descriptor)  # closing the file drops it, and so does the end of the process
        since_s = time.time() - _seconds(os.read(descriptor, _STAMP_BYTES))
        # Clocks are put back a little now and then; a stamp of the far future is no reason to wait for it.
        if abs(since_s) < interval_s:
            time.sleep(min(interval_s - since_s, interval_s))
        try:
            yield
        finally:
            with storage_errors(stamp):
                os.lseek(descriptor, 0, os.SEEK_SET)
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{time.time():.6f}".encode())
    finally:
        os.close(descriptor)


def _wait_for_lock(descriptor: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX)


def _seconds(stamp: bytes) -> float:
    try:
        return float(stamp)
    except ValueError:
        return float("-inf")
