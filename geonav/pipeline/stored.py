"""What a database has stored of a stage, with which settings, and whether it is still to be trusted."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ValidationError

from geonav.config import GeonavConfig
from geonav.data.database import Database
from geonav.data.features import LocalFeatures
from geonav.data.files import atomic_save_arrays
from geonav.data.images import read_image
from geonav.data.packed import Entry, PackedFeatures, pack
from geonav.data.progress import OnProgress
from geonav.data.stamps import stamp as stamp_of
from geonav.errors import DatabaseError

Section = TypeVar("Section", bound=BaseModel)

_UNREADABLE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


def with_recorded(config: GeonavConfig, database: Database) -> GeonavConfig:
    """``config`` with the ``[local]`` settings the database was made with, where ``config`` does not set them itself.

    So ``index local --max-keypoints 4096`` holds for every later command until another number is asked for.
    """
    recorded = database.local_settings(config.local.model)
    return config.model_copy(update={"local": filled(config.local, recorded or {})})


def filled(section: Section, recorded: Mapping[str, Any]) -> Section:
    """``section`` with the ``recorded`` values of the fields that nobody set.

    Raises:
        DatabaseError: a recorded value does not fit.
    """
    fields = type(section).model_fields.keys() - section.model_fields_set
    values = {key: value for key, value in recorded.items() if key in fields}
    try:
        return section.model_validate({**section.model_dump(exclude_unset=True), **values})
    except ValidationError as error:
        msg = f"the settings stored with the database are broken ({error.errors()[0]['msg']}): run `geonav index local`"
        raise DatabaseError(msg) from error


def differing(settings: Mapping[str, Any], recorded: Mapping[str, Any]) -> str:
    """The settings in which the two differ, for a message: ``max_keypoints 2048, not 4096``."""
    keys = sorted(key for key in settings.keys() | recorded.keys() if settings.get(key) != recorded.get(key))
    return ", ".join(f"{key} {recorded.get(key)}, not {settings.get(key)}" for key in keys)


class StoredFeatures:
    """The local features that one set of settings gave for a database's pictures.

    An entry's stamp covers the settings and its mask: another mask makes its features stale.
    """

    def __init__(self, database: Database, settings: Mapping[str, Any]) -> None:
        """``settings`` are those of the extractor."""
        self._database = database
        self._settings = dict(settings)
        self._stamp = stamp_of(self._settings)
        self.model = str(settings["model"])

    @property
    def settings(self) -> dict[str, Any]:
        """Of the extractor."""
        return dict(self._settings)

    @property
    def stamp(self) -> str:
        """Of the settings alone."""
        return self._stamp

    def stamp_of(self, uid: str) -> str:
        """Of the settings and the entry's mask."""
        mask = self._database.mask_path(uid)
        if mask is None:
            return self._stamp
        return stamp_of({**self._settings, "mask": hashlib.sha256(mask.read_bytes()).hexdigest()})

    @cached_property
    def _packed(self) -> PackedFeatures:
        return PackedFeatures.open(self._database.packed_dir(self.model), self.model)

    def _entry(self, uid: str) -> Entry:
        return Entry(uid, self._database.entry_path(uid), self.stamp_of(uid))

    def pack(self, uids: Sequence[str], on_progress: OnProgress | None = None) -> None:
        """Copy the entries' features into few files that are read faster; those copied already stay.

        Raises:
            StorageError: the disk is full, read-only or not permitted.
        """
        entries = [self._entry(uid) for uid in uids]
        self.__dict__["_packed"] = pack(self._database.packed_dir(self.model), self.model, entries, on_progress)

    def has(self, uid: str) -> bool:
        """Whether the entry's features are stored whole and still fit."""
        return self._database.has_features(uid, self.model, self.stamp_of(uid))

    def read(self, uid: str) -> LocalFeatures:
        """The entry's features.

        Raises:
            DatabaseError: missing, half written, or made with other settings or another mask.
        """
        packed = self._packed.read(self._entry(uid)) if len(self._packed) else None
        return packed if packed is not None else self._database.read_features(uid, self.model, self.stamp_of(uid))

    def write(self, uid: str, features: LocalFeatures) -> None:
        """Store the entry's features."""
        self._database.write_features(uid, self.model, features, self.stamp_of(uid))


class FeatureSequence(Sequence[LocalFeatures]):
    """The features of some entries, each read when it is asked for, so that memory holds one at a time."""

    def __init__(self, stored: StoredFeatures, uids: Sequence[str]) -> None:
        self._stored = stored
        self._uids = uids

    def __len__(self) -> int:
        return len(self._uids)

    @overload
    def __getitem__(self, index: int) -> LocalFeatures: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[LocalFeatures]: ...
    def __getitem__(self, index: int | slice) -> LocalFeatures | Sequence[LocalFeatures]:
        if isinstance(index, slice):
            return FeatureSequence(self._stored, self._uids[index])
        return self._stored.read(self._uids[index])


class PictureSequence(Sequence[NDArray[np.uint8]]):
    """The pixels of some entries' photos, each read when it is asked for."""

    def __init__(self, database: Database, uids: Sequence[str]) -> None:
        self._database = database
        self._uids = uids

    def __len__(self) -> int:
        return len(self._uids)

    @overload
    def __getitem__(self, index: int) -> NDArray[np.uint8]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[NDArray[np.uint8]]: ...
    def __getitem__(self, index: int | slice) -> NDArray[np.uint8] | Sequence[NDArray[np.uint8]]:
        if isinstance(index, slice):
            return PictureSequence(self._database, self._uids[index])
        return read_image(self._database.image_path(self._uids[index])).pixels


class LearnedArrays:
    """What a global descriptor learned from the database, with the stamp of the settings it was learned with."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, stamp: str) -> dict[str, NDArray[Any]] | None:
        """The arrays, or None where there are none of these settings."""
        try:
            # Through memory: numpy leaves a broken archive's file open.
            with np.load(io.BytesIO(self._path.read_bytes()), allow_pickle=False) as stored:
                if str(stored["stamp"]) != stamp:
                    return None
                return {name: stored[name] for name in stored.files if name != "stamp"}
        except _UNREADABLE:
            return None

    def write(self, stamp: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Store the arrays.

        Raises:
            StorageError: the disk is full, read-only or not permitted.
        """
        atomic_save_arrays(self._path, **arrays, stamp=np.array(stamp))


def fingerprint(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Sixteen hexadecimal digits that change with any number in ``arrays``."""
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(f"{name}{arrays[name].dtype}{arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).tobytes())
    return digest.hexdigest()[:16]
