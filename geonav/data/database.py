"""The folder that holds the references; only this module, ``local_store`` and ``upkeep`` know its file names.

    <database>/
    |- <uid>/                      one folder per picture
    |  |- image.jpg
    |  |- mask.png                 optional: black where no keypoints are wanted
    |  |- metadata.json            w h lat lng alt azn fov K E, then further keys
    |  |- disk_keypoints.npy       (N, 2) float32, pixels of the upright picture
    |  |- disk_descriptor.npz      descriptors (N, D) float16, scores (N,) float32, stamp, image_bytes
    |  `- vlad_descriptor.npy      (D,) float32
    `- .geonav/                    geonav's own
       |- database.json            schema_version, origin, alt_datum
       |- lock, lock-1-of-16       one writer at a time, or one of each share
       |- settings/<model>.json    what the local features were made with
       |- index/<descriptor>/      global indexes
       |- packed/<model>/          local features of a large database again
       `- tmp/, sync/              entries that are being made; what was last pushed or pulled

An entry appears by one rename of a finished folder; a file by one of a finished file.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geonav.data.database_settings import DatabaseSettings
from geonav.data.features import LocalFeatures
from geonav.data.files import atomic_save_array, atomic_write_json, read_json_object, storage_errors
from geonav.data.local_store import features_are_current, load_features, load_vector, save_features
from geonav.data.locks import WriterLock
from geonav.data.metadata import ImageMetadata, parse_metadata
from geonav.data.names import checked_name, checked_uid
from geonav.data.shards import Shard
from geonav.errors import DatabaseError
from geonav.geometry.geodesy import GeoPoint, LocalFrame

_LONG_VECTOR = 4096
OWN_FOLDER = ".geonav"


class Database:
    """References on disk, made by :meth:`open` or :meth:`create`; what an entry holds is read when it is asked for."""

    def __init__(self, path: Path, settings: DatabaseSettings) -> None:
        self.path = path
        self._settings = settings
        self._lock = WriterLock()
        self._names: set[str] | None = None
        self._sorted: list[str] | None = None

    @classmethod
    def open(cls, path: Path | str) -> Database:
        """Open a database; one of this structure that geonav did not make is welcome.

        Raises:
            DatabaseError: there is none, or it is broken, half pulled or of a newer geonav.
        """
        folder = Path(path)
        if not folder.is_dir():
            msg = f"there is no database at {folder}: make one by 'geonav import' or 'geonav fetch' or check --database"
            raise DatabaseError(msg)
        settings = DatabaseSettings.of(folder / OWN_FOLDER)
        if settings is not None:
            return cls(folder, settings)
        database = cls(folder, DatabaseSettings())
        if not any((folder / uid / "metadata.json").exists() for uid in database.uids()):
            msg = f"{folder} is not a database: no folder in it holds a metadata.json; make one with 'geonav import'"
            raise DatabaseError(msg)
        return database

    @classmethod
    def create(cls, path: Path | str, origin: GeoPoint | None = None, alt_datum: str = "wgs84") -> Database:
        """Make an empty database, or give one of this structure its ``.geonav`` folder.

        Raises:
            DatabaseError: geonav's settings are there already.
            StorageError: the folder cannot be written.
        """
        folder = Path(path)
        if (folder / OWN_FOLDER / "database.json").exists():
            msg = f"{folder} is a database already: open it, or choose another folder"
            raise DatabaseError(msg)
        if folder.exists() and not folder.is_dir():
            msg = f"{folder} is a file: choose another folder for the database"
            raise DatabaseError(msg)
        database = cls(folder, DatabaseSettings(origin, alt_datum))
        database.set_origin(origin, alt_datum)
        return database

    def set_origin(self, origin: GeoPoint | None, alt_datum: str) -> None:
        """Write where the local frame lies; every stored ``E`` is taken to be in this frame.

        Raises:
            StorageError: the folder cannot be written.
        """
        self._settings = DatabaseSettings(origin, alt_datum)
        self._settings.write(self._own_folder() / "database.json")

    @property
    def schema_version(self) -> int:
        """Version of the layout."""
        return self._settings.schema_version

    @property
    def origin(self) -> GeoPoint | None:
        """Where the local frame touches the Earth; None while no posed picture was imported."""
        return self._settings.origin

    @property
    def alt_datum(self) -> str:
        """What every height in the database refers to."""
        return self._settings.alt_datum

    @property
    def frame(self) -> LocalFrame:
        """The local East-North-Up frame.

        Raises:
            DatabaseError: no picture with a pose was imported yet.
        """
        if self.origin is None:
            msg = f"{self.path} has no origin, so its poses have no place on Earth: import it with --origin"
            raise DatabaseError(msg)
        return LocalFrame(self.origin)

    def uids(self) -> list[str]:
        """Names of all entries, sorted; the folder is read once and :meth:`add_entry` keeps up."""
        if self._sorted is None:
            self._sorted = sorted(self._known())
        return list(self._sorted)

    def __len__(self) -> int:
        return len(self._known())

    def __contains__(self, uid: object) -> bool:
        return uid in self._known()

    def _known(self) -> set[str]:
        if self._names is None:
            self._names = set()
            if self.path.is_dir():
                with os.scandir(self.path) as found:
                    self._names = {item.name for item in found if item.name[0] != "." and item.is_dir()}
        return self._names

    def entry_path(self, uid: str) -> Path:
        """Folder of an entry.

        Raises:
            DatabaseError: there is no such entry.
        """
        if uid not in self:
            msg = f"{self.path} has no entry '{uid}'"
            raise DatabaseError(msg)
        return self.path / uid

    def image_path(self, uid: str) -> Path:
        """The entry's picture."""
        return self.entry_path(uid) / "image.jpg"

    def mask_path(self, uid: str) -> Path | None:
        """The entry's mask, or None."""
        path = self.entry_path(uid) / "mask.png"
        return path if path.exists() else None

    def metadata(self, uid: str) -> ImageMetadata:
        """Read and validate an entry's metadata.

        Raises:
            DatabaseError: missing or not valid; the message names every key at fault.
        """
        path = self.entry_path(uid) / "metadata.json"
        return parse_metadata(read_json_object(path), str(path))

    def add_entry(self, uid: str, image_bytes: bytes, metadata: ImageMetadata, mask_bytes: bytes | None = None) -> None:
        """Add a picture; it is there whole or, when interrupted, not at all.

        Raises:
            DatabaseError: the uid is taken or cannot be a folder's name.
            StorageError: the disk is full, read-only or not permitted.
        """
        target = self.path / checked_uid(uid)
        if target.exists():
            msg = f"{self.path} has an entry '{uid}' already"
            raise DatabaseError(msg)
        draft = self._own_folder("tmp") / secrets.token_hex(8)
        with storage_errors(target):
            try:
                draft.mkdir()
                (draft / "image.jpg").write_bytes(image_bytes)
                if mask_bytes is not None:
                    (draft / "mask.png").write_bytes(mask_bytes)
                atomic_write_json(draft / "metadata.json", metadata.to_json())
                draft.replace(target)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
        self._known().add(uid)
        self._sorted = None

    def remove_entry(self, uid: str) -> None:
        """Remove an entry and all that was computed from it; it is gone whole.

        Raises:
            DatabaseError: there is no such entry.
            StorageError: the database cannot be written.
        """
        path = self.entry_path(uid)
        draft = self._own_folder("tmp") / secrets.token_hex(8)
        with storage_errors(path):
            path.replace(draft)
        self._known().discard(uid)
        self._sorted = None
        shutil.rmtree(draft, ignore_errors=True)

    def remove_drafts(self) -> int:
        """Remove what interrupted runs left of entries they were making; hold the lock."""
        drafts = sorted((self.path / OWN_FOLDER / "tmp").glob("*"))
        for draft in drafts:
            shutil.rmtree(draft, ignore_errors=True)
        return len(drafts)

    def replace_metadata(self, uid: str, metadata: ImageMetadata) -> None:
        """Write an entry's metadata anew."""
        atomic_write_json(self.entry_path(uid) / "metadata.json", metadata.to_json())

    def has_features(self, uid: str, model: str, stamp: str) -> bool:
        """Whether local features of these very settings and this very picture are stored whole."""
        return features_are_current(self.entry_path(uid), model, stamp)

    def read_features(self, uid: str, model: str, stamp: str) -> LocalFeatures:
        """Read local features.

        Raises:
            DatabaseError: missing, half written, or made with other settings.
        """
        return load_features(self.entry_path(uid), model, stamp)

    def write_features(self, uid: str, model: str, features: LocalFeatures, stamp: str) -> None:
        """Store local features and the stamp of the settings that made them."""
        save_features(self.entry_path(uid), checked_name(model), features, stamp)

    def has_global(self, uid: str, name: str) -> bool:
        """Whether a global descriptor is stored."""
        return (self.entry_path(uid) / f"{checked_name(name)}_descriptor.npy").exists()

    def read_global(self, uid: str, name: str) -> NDArray[np.float32]:
        """Read a global descriptor (D,).

        Raises:
            DatabaseError: missing or broken.
        """
        return load_vector(self.entry_path(uid) / f"{checked_name(name)}_descriptor.npy")

    def write_global(self, uid: str, name: str, vector: NDArray[np.float32]) -> None:
        """Store a global descriptor (D,): float32, or float16 where it is long, since its numbers then cancel out."""
        path = self.entry_path(uid) / f"{checked_name(name)}_descriptor.npy"
        atomic_save_array(path, np.asarray(vector, np.float16 if len(vector) > _LONG_VECTOR else np.float32))

    def index_dir(self, name: str) -> Path:
        """Where the index of a global descriptor lies; the folder may not exist yet."""
        return self.path / OWN_FOLDER / "index" / checked_name(name)

    def packed_dir(self, model: str) -> Path:
        """Where a model's features lie packed, or would."""
        return self.path / OWN_FOLDER / "packed" / checked_name(model)

    def local_settings(self, model: str) -> dict[str, Any] | None:
        """The settings that local features were last made with, or None."""
        path = self.path / OWN_FOLDER / "settings" / f"{checked_name(model)}.json"
        return read_json_object(path) if path.exists() else None

    def set_local_settings(self, model: str, settings: dict[str, Any]) -> None:
        """Remember the settings that local features are made with."""
        atomic_write_json(self._own_folder("settings") / f"{checked_name(model)}.json", settings)

    @contextmanager
    def lock(self, shard: Shard | None = None) -> Iterator[None]:
        """Be the only writer, or that of a share, once or again; DatabaseError where another live process is."""
        with self._lock.held(self._own_folder() / "lock", shard):
            yield

    def _own_folder(self, name: str = "") -> Path:
        folder = self.path / OWN_FOLDER / name
        with storage_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        return folder
