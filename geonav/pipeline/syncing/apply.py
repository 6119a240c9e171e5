"""Moving fetched files to their places, and removing those that went; quick, and marked while it lasts."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from geonav.data.files import storage_errors
from geonav.errors import DatabaseError
from geonav.pipeline.syncing.snapshot import Rows
from geonav.pipeline.syncing.state import SyncState


def remove_files(folder: Path, paths: list[str]) -> None:
    """Remove files, and folders that are empty by that.

    Raises:
        StorageError: the database cannot be written.
    """
    for path in paths:
        file = folder / path
        with storage_errors(file):
            file.unlink(missing_ok=True)
        for parent in file.relative_to(folder).parents[:-1]:
            with suppress(OSError):  # others are in it
                (folder / parent).rmdir()


def place_files(folder: Path, state: SyncState, rows: Rows, paths: list[str]) -> None:
    """Move staged files to their places.

    Raises:
        DatabaseError: a folder of the user's stands where a file belongs.
        StorageError: the database cannot be written.
    """
    made: Path | None = None
    for path in paths:
        target = folder / path
        with storage_errors(target):
            if target.parent != made:
                target.parent.mkdir(parents=True, exist_ok=True)
                made = target.parent
            if target.is_dir():
                _remove_empty(target)
            state.staged_path(rows[path]).replace(target)


def touch_files(folder: Path, rows: Rows, paths: list[str]) -> None:
    """Give files that are alike the time of change that they have on the remote.

    Raises:
        StorageError: the database cannot be written.
    """
    for path in paths:
        with storage_errors(folder / path):
            os.utime(folder / path, ns=(rows[path].mtime_ns, rows[path].mtime_ns))


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError as error:
        msg = f"{folder} is a folder with files of yours where the remote has a file: move it away and pull again"
        raise DatabaseError(msg) from error
