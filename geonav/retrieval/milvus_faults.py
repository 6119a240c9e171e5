"""What Milvus' errors mean, in one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from geonav.errors import AuthError, DatabaseError, GeonavError, NetworkError, StorageError, UsageError
from geonav.settings.milvus import SCHEMES

_NO_COLLECTION = {4, 100}
_BAD_PARAMETER = 1100
_REFUSED = {"UNAUTHENTICATED", "PERMISSION_DENIED"}
_FULL = ("no space left", "disk quota", "read-only file system", "permission denied")
_LONGEST = 160


@contextmanager
def faults(address: str) -> Iterator[None]:
    """Turn what pymilvus raises into our own errors.

    Raises:
        AuthError: the token was refused.
        NetworkError: the server does not answer, or answers with an error.
        DatabaseError: a collection is missing, or a folder of milvus-lite is broken.
        StorageError: the disk of a folder is full, read-only or not permitted.
    """
    import grpc
    from pymilvus.exceptions import MilvusException

    try:
        yield
    except (MilvusException, grpc.RpcError, grpc.FutureTimeoutError) as error:
        raise _meaning(address, error) from error


@contextmanager
def opening_faults(address: str) -> Iterator[None]:
    """As :func:`faults`, for connecting.

    Raises:
        GeonavError: as :func:`faults`; DatabaseError also where another process has the folder open.
    """
    from pymilvus.exceptions import ConnectionConfigException

    try:
        with faults(address):
            yield
    except GeonavError as error:
        if address.startswith(SCHEMES) or not isinstance(error.__cause__, ConnectionConfigException):
            raise
        raise _why_not_opened(address) from error


@contextmanager
def indexing_faults(address: str, index_type: str) -> Iterator[None]:
    """As :func:`faults`, for making an index of Milvus' own.

    Raises:
        GeonavError: as :func:`faults`; UsageError also where Milvus refuses the type of index.
    """
    try:
        with faults(address):
            yield
    except GeonavError as error:
        cause = error.__cause__
        text = _line(cause) if cause is not None else ""
        if getattr(cause, "code", None) != _BAD_PARAMETER and not re.search("index.?type", text, re.IGNORECASE):
            raise
        msg = f"Milvus at {address} refuses milvus.index_type = {index_type} ({text}): set FLAT or another that it has"
        raise UsageError(msg) from error


def _why_not_opened(folder: str) -> GeonavError:
    """Open a folder of milvus-lite once more, for pymilvus keeps to itself why it did not open."""
    from milvus_lite import DataDirLockedError, MilvusLite

    try:
        MilvusLite(folder).close()
    except DataDirLockedError:
        return DatabaseError(
            f"{folder} is open in another process, and milvus-lite lets one at a time: wait for it, or use a server "
            "(--milvus-uri http://HOST:19530)"
        )
    except OSError as error:
        text = f"{folder} cannot be opened: {error.strerror or error}"
        return StorageError(f"{text}: choose another --milvus-uri")
    except Exception as error:  # noqa: BLE001 - whatever a broken folder makes it raise
        return DatabaseError(f"{folder} is broken ({_line(error)}): remove it and run `geonav index global`")
    return DatabaseError(f"{folder} was open in another process until now: try again")


def _meaning(address: str, error: Exception) -> GeonavError:
    codes, text = set(_grpc_codes(error)), _line(error)
    is_server = address.startswith(SCHEMES)
    if codes & _REFUSED or "auth check failure" in text:
        return AuthError(f"Milvus at {address} refused the token: set GEONAV_MILVUS__TOKEN")
    if getattr(error, "code", None) in _NO_COLLECTION and not codes:
        return DatabaseError(f"Milvus at {address} lacks the index ({text}): run `geonav index global`")
    if not is_server and any(words in text.lower() for words in _FULL):
        return StorageError(f"{address} cannot be written ({text}): make room, or choose another --milvus-uri")
    if not is_server:
        return DatabaseError(f"{address} cannot be used ({text}): run `geonav index global`")
    if codes or _is_about_connecting(error):
        return NetworkError(f"Milvus at {address} does not answer: check that it runs, and --milvus-uri")
    return NetworkError(f"Milvus at {address} answered with an error ({text}): run again, or see its log")


def _is_about_connecting(error: Exception) -> bool:
    from pymilvus.client.types import Status

    return bool(getattr(error, "code", None) == Status.CONNECT_FAILED)


def _grpc_codes(error: BaseException | None) -> Iterator[str]:
    """The names of gRPC's codes along the chain of causes."""
    while error is not None:
        code: Any = getattr(error, "code", None)
        code = code() if callable(code) else code
        if hasattr(code, "name") and type(code).__name__ == "StatusCode":
            yield code.name
        error = error.__cause__ if error.__cause__ is not error else None


def _line(error: BaseException) -> str:
    text = " ".join(str(getattr(error, "message", "") or error).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
