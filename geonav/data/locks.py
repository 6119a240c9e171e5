"""One writer at a time, by a lock that the system drops when its process dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from geonav.data.files import storage_errors
from geonav.errors import DatabaseError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


def _take(descriptor: int) -> bool:
    """Lock an open file without waiting; whether it worked."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold the lock file ``path``; it stays, its lock goes with the process.

    A process that was killed therefore never leaves a lock behind, whatever the file says.

    Raises:
        DatabaseError: another live process holds it.
        StorageError: the lock file cannot be written.
    """
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _take(descriptor):
            owner = os.read(descriptor, 64).decode(errors="replace").strip() or "unknown"
            msg = f"{path.parent.parent} is being written by process {owner}: wait for it or stop it, then run again"
            raise DatabaseError(msg)
        with suppress(OSError):  # the number only serves the message above
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


class WriterLock:
    """A lock that its holder may take again, for commands made of others."""

    def __init__(self) -> None:
        self._depth = 0

    @contextmanager
    def held(self, path: Path) -> Iterator[None]:
        """Hold the lock file ``path``.

        Raises:
            DatabaseError: another live process holds it.
            StorageError: the lock file cannot be written.
        """
        with nullcontext() if self._depth else _exclusive(path):
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1
