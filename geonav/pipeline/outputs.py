"""Files that a command writes where its user says."""

from __future__ import annotations

from pathlib import Path

from geonav.data.files import make_writable
from geonav.errors import UsageError


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
    make_writable(path.parent, path)  # found out now, and not when all the work is done
    return path
