"""One writer at a time, by a lock that the system drops when its process dies.

Writers of shares (``--shard``) may write beside each other: each holds the lock file in common with the others, and a
file of its share alone. A writer of everything holds the lock file alone, and so excludes shares and is excluded by
them. The locks are those of the file system (``flock``); a shared one must hand them from machine to machine, as NFS
and Lustre (mounted with ``flock``) do. On Windows, which has no locks in common, shares exclude each other.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

from geonav.data.files import storage_errors
from geonav.data.shards import Shard
from geonav.errors import DatabaseError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_PAUSE_S = 0.2


def _take(descriptor: int, *, shared: bool = False) -> bool:
    """Lock an open file without waiting; whether it worked."""
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


@contextmanager
def _held(path: Path, *, shared: bool = False) -> Iterator[None]:
    """Hold the lock file ``path``; it stays, its lock goes with the process.

    A process that was killed therefore never leaves a lock behind, whatever the file says.

    Raises:
        DatabaseError: another live process holds it.
        StorageError: the lock file cannot be written.
    """
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _take(descriptor, shared=shared):
            owner = os.read(descriptor, 64).decode(errors="replace").strip() or "unknown"
            folder = path.parent.parent
            msg = f"{folder} is being written by {_shards_at_work(path) or f'process {owner}'}: wait for it or stop it,"
            msg += " then run again"
            raise DatabaseError(msg)
        if not shared:
            with suppress(OSError):  # the number only serves the message above
                os.ftruncate(descriptor, 0)
                os.write(descriptor, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(descriptor)


def _shards_at_work(path: Path) -> str:
    """The shares whose locks are held, in words; empty where none is."""
    held = []
    for found in sorted(path.parent.glob(f"{path.name}-*-of-*")):
        with suppress(OSError):
            descriptor = os.open(found, os.O_RDWR)
            try:
                if not _take(descriptor):
                    held.append(found.name.removeprefix(f"{path.name}-").replace("-of-", "/"))
            finally:
                os.close(descriptor)
    return f"shard{'s' * (len(held) > 1)} {', '.join(held[:5])}" if held else ""


@contextmanager
def waiting(path: Path, on_wait: Callable[[], None]) -> Iterator[None]:
    """Hold a lock file, once it is free; ``on_wait`` is called if it is not.

    Raises:
        StorageError: the lock file cannot be written.
    """
    with storage_errors(path):
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _take(descriptor):
            on_wait()
            while not _take(descriptor):
                time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(descriptor)


class WriterLock:
    """A lock that its holder may take again, for commands made of others."""

    def __init__(self) -> None:
        self._depth = 0

    @contextmanager
    def held(self, path: Path, shard: Shard | None = None) -> Iterator[None]:
        """Hold the lock file ``path``, alone or, for a share, together with other shares.

        Raises:
            DatabaseError: another live process holds it.
            StorageError: the lock file cannot be written.
        """
        with nullcontext() if self._depth else self._taken(path, shard):
            self._depth += 1
            try:
                yield
            finally:
                self._depth -= 1

    @contextmanager
    def _taken(self, path: Path, shard: Shard | None) -> Iterator[None]:
        with ExitStack() as held:
            held.enter_context(_held(path, shared=shard is not None))
            if shard is not None:
                held.enter_context(_held(path.with_name(f"{path.name}-{shard.label}")))
            yield
