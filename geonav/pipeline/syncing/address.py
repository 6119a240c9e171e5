"""Addresses of remotes as in ``s3://bucket/city``, and the drivers that reach them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from geonav.errors import UsageError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem
    from pydantic import SecretStr

    from geonav.settings.storage import StorageConfig

_S3 = ("s3", "s3a")
# What to install for other addresses; anything else says the driver's own words.
_DRIVERS = {"gs": "gcsfs", "gcs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "abfss": "adlfs", "sftp": "paramiko"}


@dataclass(frozen=True)
class Address:
    """Where a remote is.

    Attributes:
        scheme: of the driver; ``file`` for a folder.
        url: the address as messages show it; it never holds a key.
    """

    scheme: str
    url: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read what a user named: an address or a folder.

        Raises:
            UsageError: it is none, or it holds a key, which would stay in the shell's history.
        """
        scheme, sign, rest = text.partition("://")
        if not sign:
            return cls("file", str(Path(text).expanduser().absolute()))
        if not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme) or "::" in text or not rest.strip("/"):
            msg = f"'{_hidden(text)}' is no address of a remote: use s3://bucket/city, another driver's, or a folder"
            raise UsageError(msg)
        if _holds_key(rest) or (scheme in _S3 and "@" in rest.partition("/")[0]):
            msg = (
                f"{_hidden(text)} holds a key: leave it out and use AWS's variables, a profile, or key and secret of "
                "[storage]"
            )
            raise UsageError(msg)
        if "?" in rest or "#" in rest:
            msg = f"{_hidden(text)}: an address of a remote has no '?' and no '#'"
            raise UsageError(msg)
        return cls(scheme, text.rstrip("/"))

    @property
    def folder(self) -> Path | None:
        """The folder on this machine, where it is one."""
        return Path(re.sub("^(file|local)://", "", self.url)) if self.scheme in ("file", "local") else None


def open_filesystem(address: Address, config: StorageConfig) -> tuple[AbstractFileSystem, str]:
    """The driver for an address, and the address as that driver writes it.

    Raises:
        UsageError: fsspec or the driver is not installed, or there is none for such addresses.
    """
    try:
        from fsspec import get_filesystem_class
    except ImportError:
        msg = "pushing and pulling need fsspec: pip install 'geonav[s3]'"
        raise UsageError(msg) from None
    try:
        driver = get_filesystem_class(address.scheme)
        options: dict[str, Any] = _s3_options(config) if address.scheme in _S3 else {}
        filesystem = driver(**options, use_listings_cache=False, skip_instance_cache=address.scheme in _S3)
    except (ImportError, ValueError) as error:
        raise UsageError(_missing(address, error)) from error
    if address.scheme in _S3:
        filesystem.retries = 1  # the store counts attempts itself
    return filesystem, str(driver._strip_protocol(address.url)).rstrip("/")


def secrets_of(config: StorageConfig) -> list[str]:
    """What no message may show."""
    return [value for value in map(_revealed, (config.key, config.secret, config.token)) if value]


def _s3_options(config: StorageConfig) -> dict[str, Any]:
    # One attempt: the store counts them, over all drivers alike.
    settings: dict[str, Any] = {
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "connect_timeout": config.timeout_s,
        "read_timeout": config.timeout_s,
        "max_pool_connections": 2 * config.workers,
    }
    if config.endpoint_url:
        settings["s3"] = {"addressing_style": "path"}  # other services need not have a name for each bucket
    options = {
        "key": _revealed(config.key),
        "secret": _revealed(config.secret),
        "token": _revealed(config.token),
        "endpoint_url": config.endpoint_url,
    }
    named = {name: value for name, value in options.items() if value}
    client = {"region_name": config.region} if config.region else {}
    return {**named, "anon": config.anonymous, "client_kwargs": client, "config_kwargs": settings}


def _missing(address: Address, error: Exception) -> str:
    if address.scheme in _S3:
        return "s3:// needs s3fs: pip install 'geonav[s3]'"
    package = _DRIVERS.get(address.scheme)
    if package and isinstance(error, ImportError):
        return f"{address.scheme}:// needs {package}: pip install {package}"
    said = " ".join(str(error).split())
    return f"{address.scheme}:// cannot be used ({said}): use s3://bucket/city, another fsspec driver's, or a folder"


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _holds_key(rest: str) -> bool:
    # Secrets may hold slashes, so that what stands before "@" need not end with the first of them.
    return ":" in rest.rpartition("@")[0]


def _hidden(text: str) -> str:
    """An address without what stands before ``@``."""
    scheme, _, rest = text.partition("://")
    return f"{scheme}://[hidden]@{rest.rpartition('@')[2]}" if "@" in rest else text
