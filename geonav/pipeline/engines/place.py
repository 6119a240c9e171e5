"""The database as the workers of an engine find it, and the settings they work with."""

from __future__ import annotations

import hashlib
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import gethostname

from geonav import __version__
from geonav.config import GeonavConfig
from geonav.data.database import OWN_FOLDER, Database
from geonav.data.files import storage_errors
from geonav.errors import DatabaseError, GeonavError
from geonav.settings.fetching import GoogleConfig, MapillaryConfig

_TRIES, _PAUSE_S = 4, 1.0


@dataclass(frozen=True)
class Place:
    """Where work is done and how; sent to every worker.

    Attributes:
        path: of the database, the same for all.
        folder: in which the command was given, and from which names start that do not start at the root.
        fingerprint: of the database's own settings.
        sign: name of a folder in it that only this run made; None where nothing is to be written.
        config: the settings, without any key of a service: workers call none.
        version: of geonav.
    """

    path: Path
    folder: Path
    fingerprint: str
    sign: str | None
    config: GeonavConfig
    version: str = __version__

    @classmethod
    @contextmanager
    def of(cls, database: Database, config: GeonavConfig, *, writes: bool) -> Iterator[Place]:
        """That of a database for as long as it is worked on; ``writes`` says that the workers store what they make.

        Raises:
            StorageError: the database cannot be written.
        """
        sent = config.model_copy(update={"google": GoogleConfig(), "mapillary": MapillaryConfig()})
        path = database.path
        sign = f"engine-{secrets.token_hex(8)}" if writes else None
        if sign is not None:
            with storage_errors(path):
                _sign_path(path, sign).mkdir(parents=True)
        try:
            yield cls(path, Path.cwd(), _fingerprint(path), sign, sent)
        finally:
            if sign is not None:
                with suppress(OSError):
                    _sign_path(path, sign).rmdir()

    def open(self) -> Database:
        """Open the database, in a worker.

        Raises:
            DatabaseError: the worker does not see it, or sees another one.
            GeonavError: the worker has another geonav.
        """
        if self.version != __version__:
            msg = f"the worker on {gethostname()} has geonav {__version__}, this is {self.version}: install the same"
            raise GeonavError(msg)
        with suppress(OSError):  # where the folder is not there, nothing that is named from it is
            os.chdir(self.folder)
        problem = "is not there"
        for turn in range(_TRIES):
            time.sleep(_PAUSE_S if turn else 0.0)  # a network file system shows what is new a moment later
            with suppress(GeonavError):
                database = Database.open(self.path)
                if self._is_the_one():
                    return database
                problem = "is another folder of that name"
        msg = (
            f"the worker on {gethostname()} cannot open the database: {self.folder / self.path} {problem} there; every"
            " machine of the cluster must see the same folder under the same path, as on a shared file system"
        )
        raise DatabaseError(msg)

    def _is_the_one(self) -> bool:
        signed = self.sign is None or _sign_path(self.path, self.sign).is_dir()
        return signed and _fingerprint(self.path) == self.fingerprint


def placed(place: Place | None) -> Place:
    """A work's place, which it has wherever it is opened by another process.

    Raises:
        GeonavError: it has none.
    """
    if place is None:
        msg = "this work is opened where it was made"
        raise GeonavError(msg)
    return place


def _sign_path(path: Path, sign: str) -> Path:
    # Among drafts, which the next writer clears away where this one was killed.
    return path / OWN_FOLDER / "tmp" / sign


def _fingerprint(path: Path) -> str:
    own = path / OWN_FOLDER / "database.json"
    return hashlib.sha256(own.read_bytes()).hexdigest() if own.exists() else ""
