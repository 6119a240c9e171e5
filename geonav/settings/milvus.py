"""The section of the vector database Milvus."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from geonav.settings.base import Section

SCHEMES = ("http://", "https://", "tcp://", "unix:")
FILE_SUFFIX = ".db"


class MilvusConfig(Section):
    """``[milvus]``: where vectors lie with ``--index milvus``."""

    uri: str | None = Field(
        None,
        description="where Milvus is: http://HOST:19530, or a folder NAME.db of milvus-lite; if unset where the "
        "database has it, else beside its index",
    )
    token: SecretStr | None = Field(None, description="token of the server, or user:password")
    timeout_s: float = Field(30.0, gt=0, le=3600, description="seconds to wait for an answer")
    index_type: str = Field(
        "FLAT",
        pattern=r"^[A-Z][A-Z0-9_]*$",
        description="Milvus' own index: FLAT is exact; HNSW, IVF_FLAT, AUTOINDEX and others of a server are faster",
    )

    @field_validator("uri")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if "@" in value and value.startswith(SCHEMES):
            msg = "leave user and password out of the address: set GEONAV_MILVUS__TOKEN to user:password"
            raise ValueError(msg)
        if not value.startswith(SCHEMES) and ("://" in value or not value.endswith(FILE_SUFFIX)):
            msg = "give http://HOST:PORT or a folder whose name ends in .db"
            raise ValueError(msg)
        if value.startswith(SCHEMES) and not _names_a_host(value):
            msg = "it names no host: give http://HOST:PORT"
            raise ValueError(msg)
        return value


def _names_a_host(address: str) -> bool:
    """Whether an address of a server says which, and a port that can be one."""
    if address.startswith("unix:"):
        return bool(address.removeprefix("unix:").strip("/"))
    try:
        parts = urlsplit(address)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
