"""The two files of an entry's local features, written so that an interrupted write is seen.

``<model>_descriptor.npz`` is removed first and written last; it knows the settings (``stamp``), the
size of the picture (``image_bytes``) and the number of keypoints that belong to it.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile
from numpy.typing import NDArray

from geonav.data.features import LocalFeatures
from geonav.data.files import atomic_save_array, atomic_save_arrays, storage_errors
from geonav.errors import DatabaseError

UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, MemoryError)


def keypoints_path(entry: Path, model: str) -> Path:
    """Where the keypoints of ``model`` lie."""
    return entry / f"{model}_keypoints.npy"


def descriptors_path(entry: Path, model: str) -> Path:
    """Where the descriptors, scores and stamp of ``model`` lie."""
    return entry / f"{model}_descriptor.npz"


def save_features(entry: Path, model: str, features: LocalFeatures, stamp: str) -> None:
    """Write both files.

    Raises:
        DatabaseError: the entry has no picture.
        StorageError: the disk is full, read-only or not permitted.
    """
    target = descriptors_path(entry, model)
    with storage_errors(target):
        target.unlink(missing_ok=True)
    atomic_save_array(keypoints_path(entry, model), features.keypoints.astype(np.float32))
    atomic_save_arrays(
        target,
        descriptors=features.descriptors.astype(np.float16),
        scores=features.scores.astype(np.float32),
        stamp=np.array(stamp),
        image_bytes=np.array(_image_bytes(entry), np.int64),
    )


def features_are_current(entry: Path, model: str, stamp: str) -> bool:
    """Whether both files are whole, of these settings and of this picture."""
    try:
        with _opened(descriptors_path(entry, model)) as stored:
            fits = str(stored["stamp"]) == stamp and int(stored["image_bytes"]) == _image_bytes(entry)
            count = len(stored["scores"]) if fits else -1
        return fits and _num_keypoints(entry, model) == count
    except (*UNREADABLE, DatabaseError):
        return False


def load_features(entry: Path, model: str, stamp: str | None) -> LocalFeatures:
    """Read both files; with ``stamp`` None, whatever settings made them.

    Raises:
        DatabaseError: missing, half written, of another picture or of other settings.
    """
    try:
        with _opened(descriptors_path(entry, model)) as stored:
            found, size = str(stored["stamp"]), int(stored["image_bytes"])
            descriptors, scores = stored["descriptors"], stored["scores"]
        keypoints = _read_array(keypoints_path(entry, model))
        features = LocalFeatures(keypoints, scores, descriptors)
    except UNREADABLE as error:
        msg = f"the {model} features of {entry} are missing or broken: run 'geonav index local'"
        raise DatabaseError(msg) from error
    if (stamp is not None and found != stamp) or size != _image_bytes(entry):
        other = "another picture" if size != _image_bytes(entry) else "other settings"
        msg = f"the {model} features of {entry} were made with {other}: run 'geonav index local'"
        raise DatabaseError(msg)
    return features


def load_vector(path: Path) -> NDArray[np.float32]:
    """Read a global descriptor (D,).

    Raises:
        DatabaseError: missing or broken.
    """
    try:
        vector = _read_array(path)
    except UNREADABLE as error:
        msg = f"{path} is missing or broken: run 'geonav index global'"
        raise DatabaseError(msg) from error
    if vector.ndim != 1 or not np.issubdtype(vector.dtype, np.floating):
        msg = f"{path} is not a vector of numbers: run 'geonav database check --repair', then 'geonav index global'"
        raise DatabaseError(msg)
    return vector.astype(np.float32)


def _image_bytes(entry: Path) -> int:
    try:
        return (entry / "image.jpg").stat().st_size
    except OSError as error:
        msg = f"{entry / 'image.jpg'} is missing: import the picture again"
        raise DatabaseError(msg) from error


def _num_keypoints(entry: Path, model: str) -> int:
    keypoints = _read_array(keypoints_path(entry, model))
    return len(keypoints) if keypoints.ndim == 2 else -1


@contextmanager
def _opened(path: Path) -> Iterator[NpzFile]:
    # numpy leaves a file that it cannot read open, so it is opened here.
    with path.open("rb") as stream:
        stored = np.load(stream, allow_pickle=False)
        if not isinstance(stored, NpzFile):
            msg = f"{path} is not an .npz file"
            raise ValueError(msg)  # noqa: TRY004 - it stands for a broken file, like what numpy raises
        with stored:
            yield stored


def _read_array(path: Path) -> NDArray[Any]:
    with path.open("rb") as stream:
        array: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        return array
