"""Files that appear whole or not at all, and disks that are full or read-only.

Everything is written to a temporary name in the same folder and then renamed, so that a run killed
at any moment leaves the old file or the new one, never half of either.
"""

from __future__ import annotations

import errno
import io
import json
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from geonav.errors import DatabaseError, StorageError

TEMPORARY_PREFIX = ".geonav-tmp-"
_STORAGE_ERRNOS = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some of your quota",
    errno.EFBIG: "use a file system that takes larger files",
    errno.EIO: "check the disk",
    errno.EROFS: "make the disk writable or copy the folder to one that is",
    errno.EACCES: "make the folder writable or choose another",
    errno.EPERM: "make the folder writable or choose another",
    errno.ENOTDIR: "a part of it is a file: choose another",
    errno.EEXIST: "a file stands where a folder is needed: choose another",
}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn what a disk refuses into one line.

    Raises:
        StorageError: the disk is full, read-only or not permitted.
    """
    try:
        yield
    except OSError as error:
        advice = _STORAGE_ERRNOS.get(error.errno or 0)
        if advice is None:
            raise
        msg = (
            f"cannot write {path}: {error.strerror or error}; {advice} and run the command again"
            " (nothing already stored is lost)"
        )
        raise StorageError(msg) from error


def make_writable(folder: Path, path: Path) -> None:
    """Make a folder, and find out now whether it takes files; ``path`` is what messages say is to be written.

    Raises:
        StorageError: it cannot be made, or takes none.
    """
    try:
        with storage_errors(path):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder):
                pass
    except FileNotFoundError:  # said of /proc and the like, where there is no place for files of one's own
        msg = f"cannot write {path}: {folder} takes no files; choose another folder and run the command again"
        raise StorageError(msg) from None


def atomic_write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` so that it is there whole or not at all.

    Raises:
        StorageError: the disk is full, read-only or not permitted.
    """
    temporary = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}"
    with storage_errors(path):
        try:
            temporary.write_bytes(content)
            temporary.replace(path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
            raise


def atomic_write_json(path: Path, data: object) -> None:
    """Write ``data`` as readable JSON, keys in their given order.

    Raises:
        StorageError: the disk is full, read-only or not permitted.
    """
    text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False)
    atomic_write_bytes(path, (text + "\n").encode())


def atomic_save_array(path: Path, array: NDArray[np.generic]) -> None:
    """Write one array as ``.npy``.

    Raises:
        StorageError: the disk is full, read-only or not permitted.
    """
    # Through memory: numpy's own file writing loses the error number when the disk is full.
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    atomic_write_bytes(path, buffer.getvalue())


def atomic_save_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Write several named arrays as one ``.npz``.

    Raises:
        StorageError: the disk is full, read-only or not permitted.
    """
    buffer = io.BytesIO()
    np.savez(buffer, **cast("dict[str, Any]", arrays))
    atomic_write_bytes(path, buffer.getvalue())


def is_temporary(name: str) -> bool:
    """Whether a file name is one that an interrupted write left behind."""
    return name.startswith(TEMPORARY_PREFIX)


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON object of the database.

    Raises:
        DatabaseError: missing, unreadable, or not a JSON object.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        msg = f"{path} is missing"
        raise DatabaseError(msg) from error
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{path} cannot be read as JSON ({error}): restore it or delete its folder"
        raise DatabaseError(msg) from error
    if not isinstance(data, dict):
        msg = f"{path} does not hold a JSON object"
        raise DatabaseError(msg)
    return data
