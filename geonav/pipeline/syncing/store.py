"""Objects on a remote: read, written, listed and removed, tried again where that may help, counted.

An object appears whole or not at all: object stores promise it, and in folders it is written to a temporary name and
then renamed.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from geonav.data.files import TEMPORARY_PREFIX, is_temporary, storage_errors
from geonav.errors import GeonavError, MissingError, NetworkError
from geonav.pipeline.syncing.address import Address, open_filesystem, secrets_of
from geonav.pipeline.syncing.faults import ShortReadError, as_geonav_error, is_transient
from geonav.providers.redaction import redact

if TYPE_CHECKING:
    from geonav.settings.storage import StorageConfig

logger = logging.getLogger(__name__)
Made = TypeVar("Made")
Content = bytes | bytearray
_CHANGED_KEYS = ("LastModified", "last_modified", "mtime", "updated", "created")
_DELETED_AT_ONCE = 1000


@dataclass
class Traffic:
    """What was exchanged with a remote.

    Attributes:
        requests: calls that asked for something; a listing of many pages counts as one.
        sent_bytes: of objects written.
        received_bytes: of objects read.
    """

    requests: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0


@dataclass(frozen=True)
class StoredObject:
    """An object in a listing: its size, and when it was written (None where the driver does not say)."""

    size: int
    changed: datetime | None


class ObjectStore:
    """The objects below an address; safe to use from several threads."""

    def __init__(self, address: Address, config: StorageConfig) -> None:
        """Find the driver; nothing is asked of the remote yet.

        Raises:
            UsageError: the driver is not installed.
        """
        self.url = address.url
        self.traffic = Traffic()
        self._config = config
        self._secrets = secrets_of(config)
        self._lock = threading.Lock()
        self._folder = address.folder
        self._files, self._base = open_filesystem(address, config)

    def get(self, key: str, most_bytes: int) -> bytes:
        """A whole object.

        Raises:
            MissingError: there is none.
            NetworkError: it is larger than ``most_bytes``, or the remote failed again and again.
            AuthError: it may not be read.
        """
        content = self._try(key, lambda: self._files.cat_file(self._path(key), start=0, end=most_bytes + 1))
        self._count(received=len(content))
        if len(content) > most_bytes:
            msg = f"{self.name_of(key)} is larger than {most_bytes:,} bytes: it is not what geonav pushed"
            raise NetworkError(msg)
        return bytes(content)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """A run of bytes of an object.

        Raises:
            MissingError: there is no such object.
            NetworkError: it is shorter, or the remote failed again and again.
            AuthError: it may not be read.
        """

        def read() -> bytes:
            content = bytes(self._files.cat_file(self._path(key), start=start, end=start + length))
            self._count(received=len(content))
            if len(content) != length:
                msg = f"{len(content):,} of {length:,} bytes came"
                raise ShortReadError(msg)
            return content

        return self._try(key, read)

    def put(self, key: str, content: Content) -> None:
        """Write an object, over one that may be there.

        Raises:
            NetworkError: the remote failed again and again.
            AuthError: it may not be written.
            StorageError: a folder that is full, read-only or not permitted.
        """
        if self._folder is None:
            self._try(key, lambda: self._files.pipe_file(self._path(key), content))
        else:
            self._put_file(self._folder / key, content)
        self._count(sent=len(content))

    def create(self, key: str, content: bytes) -> bool:
        """Write an object unless it is there already; False if it is.

        The store decides, where it knows conditional writes (S3, GCS, folders ...); of two writers one wins.
        """
        path = self._path(key)
        try:
            if self._folder is None:
                self._try(key, lambda: self._files.pipe_file(path, content, mode="create"))
            else:
                self._create_file(self._folder / key, content)
        except FileExistsError:
            # A try that failed on its way back may have written it all the same.
            return self.get(key, len(content) + 1) == content
        self._count(sent=len(content))
        return True

    def list(self, prefix: str) -> dict[str, StoredObject]:
        """The objects whose keys begin with ``prefix/``, by key; none where the prefix is not there."""

        def find() -> dict[str, dict[str, Any]]:
            found = self._files.find(self._path(prefix), detail=True)
            return dict(found)

        try:
            found = self._try(prefix, find)
        except MissingError:
            return {}
        start = len(self._base) + 1
        return {
            name[start:].replace("\\", "/"): StoredObject(int(info.get("size") or 0), _changed(info))
            for name, info in found.items()
            if name.startswith(f"{self._base}/{prefix}/") and not is_temporary(name.rpartition("/")[2])
        }

    def remove(self, keys: Collection[str]) -> None:
        """Remove objects; those that are gone already are none to worry about."""
        paths = [self._path(key) for key in keys]
        for start in range(0, len(paths), _DELETED_AT_ONCE):
            with suppress(MissingError):
                self._try("", partial(self._files.rm, paths[start : start + _DELETED_AT_ONCE]))

    def name_of(self, key: str) -> str:
        """What messages call an object."""
        return f"{self.url}/{key}" if key else self.url

    def _path(self, key: str) -> str:
        return f"{self._base}/{key}"

    def _count(self, sent: int = 0, received: int = 0) -> None:
        with self._lock:
            self.traffic.sent_bytes += sent
            self.traffic.received_bytes += received

    def _try(self, key: str, call: Callable[[], Made]) -> Made:
        """Do what may fail for a moment, with growing pauses; every other failure is one line."""
        for attempt in range(1, self._config.attempts + 1):
            with self._lock:
                self.traffic.requests += 1
            try:
                return call()
            except (GeonavError, FileExistsError):
                raise
            except Exception as error:  # each driver has errors of its own
                if attempt == self._config.attempts or not is_transient(error):
                    raise self._failure(error, key) from error
                pause_s = self._config.backoff_s * 2 ** (attempt - 1)
                logger.info("%s: %s; again in %.1f s", self.name_of(key), redact(str(error), self._secrets), pause_s)
                time.sleep(pause_s)
        raise AssertionError

    def _failure(self, error: Exception, key: str) -> GeonavError:
        if self._folder is not None and isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
            with storage_errors(self._folder / key):
                raise error
        failure = as_geonav_error(error, self.name_of(key))
        return type(failure)(redact(str(failure), self._secrets))

    def _put_file(self, path: Path, content: Content) -> None:
        with self._lock:
            self.traffic.requests += 1
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}"
            try:
                draft.write_bytes(content)
                draft.replace(path)
            finally:
                draft.unlink(missing_ok=True)

    def _create_file(self, path: Path, content: bytes) -> None:
        """Write a file that is not there: a second name for a whole one is given by the system or refused."""
        draft = path.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(6)}"
        self._put_file(draft, content)
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            raise
        except OSError:  # a file system without second names
            with storage_errors(path), path.open("xb") as stream:
                stream.write(content)
        finally:
            draft.unlink(missing_ok=True)


def _changed(info: dict[str, Any]) -> datetime | None:
    for key in _CHANGED_KEYS:
        value = info.get(key)
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            with suppress(ValueError):
                return datetime.fromisoformat(value)
    return None
