"""What stores of objects raise, turned into one line each; no driver's own errors get past this."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from geonav.errors import AuthError, ConfigError, DatabaseError, GeonavError, InputError, MissingError, NetworkError

_TRANSIENT_STATUS = (408, 425, 429, 500, 502, 503, 504)
_TRANSIENT_ERRNO = (errno.EBUSY, getattr(errno, "EREMOTEIO", errno.EIO), errno.EIO)
# By name, as the drivers need not be installed: boto and aiohttp do not derive these from OSError.
_TRANSIENT_NAMES = (
    "HTTPClientError",
    "ConnectionError",
    "ClientPayloadError",
    "ClientConnectionError",
    "IncompleteReadError",
    "ResponseParserError",
)
_KEY_NAMES = (
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "ProfileNotFound",
    "TokenRetrievalError",
    "SSOError",
    "DefaultCredentialsError",
)
_KEY_CODES = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken", "TokenRefreshRequired")
_ELSEWHERE_CODES = ("PermanentRedirect", "TemporaryRedirect", "AuthorizationHeaderMalformed", "301")


class ShortReadError(Exception):
    """Fewer bytes came than there are."""


def is_transient(error: BaseException) -> bool:
    """Whether the same request may succeed a moment later."""
    if isinstance(error, ShortReadError | ConnectionError | TimeoutError):
        return True
    status = _status(error)
    if status is not None:
        return status in _TRANSIENT_STATUS
    if _named(error, _KEY_NAMES):
        return False
    plain = isinstance(error, OSError) and not isinstance(error, FileNotFoundError | PermissionError | FileExistsError)
    return _named(error, _TRANSIENT_NAMES) or (plain and getattr(error, "errno", None) in _TRANSIENT_ERRNO)


def as_geonav_error(error: Exception, where: str) -> GeonavError:
    """The line that says what an error of a store means.

    Args:
        error: what the driver raised, after all attempts.
        where: the address, without keys.
    """
    status, code = _status(error), _code(error)
    refused = _access_error(error, where)
    if refused is not None:
        return refused
    if isinstance(error, ShortReadError) or status == 416:
        return damaged(where, _line(error))
    if code == "NoSuchBucket":
        return InputError(f"{where}: there is no such bucket: make it, or check the address")
    if code in _ELSEWHERE_CODES:
        return ConfigError(f"{where}: the bucket is in another region ({_line(error)}): give --region")
    if isinstance(error, FileNotFoundError) or status == 404:
        return MissingError(f"{where} is missing")
    return NetworkError(f"{where}: {_line(error)}: run again to resume")


def _access_error(error: Exception, where: str) -> AuthError | None:
    code = _code(error)
    if _named(error, _KEY_NAMES):
        return AuthError(
            f"{where}: no keys ({_line(error)}): set AWS_PROFILE, AWS's variables or [storage] key, secret"
        )
    if code in _KEY_CODES:
        return AuthError(f"{where}: the service refused the keys ({code}): check them")
    if isinstance(error, PermissionError) or _status(error) in (401, 403):
        return AuthError(f"{where}: access was refused ({_line(error)}): check the keys and what they may do there")
    return None


def damaged(where: str, how: str) -> DatabaseError:
    """The error for an object that is not what was pushed."""
    return DatabaseError(f"{where} is damaged ({how}): 'geonav database push --repair' where all is whole mends it")


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__


def _response(error: BaseException) -> dict[str, dict[str, object]]:
    for each in _chain(error):
        response = getattr(each, "response", None)
        if isinstance(response, dict):
            return response
    return {}


def _status(error: BaseException) -> int | None:
    """The HTTP status that a service answered with, where one did."""
    status = _response(error).get("ResponseMetadata", {}).get("HTTPStatusCode")
    if status is None:
        found = [getattr(each, name, None) for each in _chain(error) for name in ("status", "status_code", "code")]
        status = next((value for value in found if isinstance(value, int) and 100 <= value < 600), None)
    return status if isinstance(status, int) else None


def _code(error: BaseException) -> str:
    return str(_response(error).get("Error", {}).get("Code", ""))


def _named(error: BaseException, names: tuple[str, ...]) -> bool:
    return any(kind.__name__ in names for each in _chain(error) for kind in type(each).__mro__)


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    return (text or type(error).__name__)[:300]
