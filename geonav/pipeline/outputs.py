"""Files that a command writes where its user says."""

from __future__ import annotations

import tempfile
from pathlib import Path

from geonav.data.files import storage_errors
from geonav.errors import StorageError, UsageError


def prepared(path: Path, endings: tuple[str, ...]) -> Path:
    """A path to write a file to, its folder made if there is none.

    Args:
        path: where to.
        endings: of its name, the allowed ones.

    Raises:
        UsageError: the ending is none of them, or there is a folder of that name, or a file where its folder should be.
        StorageError: the folder cannot be made, or takes no files.
    """
    if path.suffix.lower() not in endings:
        msg = f"--output {path}: end its name with {' or '.join(endings)}"
        raise UsageError(msg)
    if path.is_dir():
        msg = f"--output {path} is a folder: name a file in it"
        raise UsageError(msg)
    nearest = next(folder for folder in path.parents if folder.exists())
    if not nearest.is_dir():
        msg = f"--output {path}: {nearest} is no folder"
        raise UsageError(msg)
    try:
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            # Found out now, and not when all the work is done.
            with tempfile.TemporaryFile(dir=path.parent):
                pass
    except FileNotFoundError:  # said of /proc and the like, where there is no place for files of one's own
        msg = f"cannot write {path}: {path.parent} takes no files; choose another folder and run the command again"
        raise StorageError(msg) from None
    return path
