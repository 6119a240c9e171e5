"""The section of copies in object storage."""

from __future__ import annotations

from pydantic import Field, SecretStr

from geonav.settings.base import Section


class StorageConfig(Section):
    """``[storage]``: where and how ``geonav database push`` and ``pull`` keep copies.

    Without ``key`` and ``secret`` the usual chain of AWS holds: its variables, profiles and roles.
    """

    endpoint_url: str | None = Field(None, description="address of an S3-compatible service; AWS's own if not given")
    region: str | None = Field(None, description="region of the bucket; as AWS's own configuration says if not given")
    key: SecretStr | None = Field(None, description="access key of the service; the usual chain of AWS if not given")
    secret: SecretStr | None = Field(None, description="secret that belongs to the access key")
    token: SecretStr | None = Field(None, description="session token of temporary keys")
    anonymous: bool = Field(False, description="read a public bucket without any key")
    workers: int = Field(4, ge=1, le=64, description="transfers under way at once; each holds up to pack_mb in memory")
    pack_mb: int = Field(32, ge=1, le=256, description="files are stored together in objects of about so many MiB")
    attempts: int = Field(5, ge=1, le=20, description="times a request is tried before it counts as failed")
    backoff_s: float = Field(0.5, ge=0, description="pause before the second try; doubles with every further one")
    timeout_s: float = Field(60.0, gt=0, description="seconds to wait for a connection or for the next bytes")
    keep_days: float = Field(
        7.0, ge=0, description="--prune leaves what was replaced less than so many days ago, for pulls under way"
    )
