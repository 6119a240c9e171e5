"""The section of answering over HTTP."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from geonav.settings.base import Section

# As browsers send it: in small letters, and nothing behind the port.
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:[0-9]{1,5})?")


class ServeConfig(Section):
    """``[serve]``: ``geonav serve``."""

    host: str = Field("127.0.0.1", description="address to listen at; 0.0.0.0 for every network this machine is in")
    port: int = Field(8000, ge=0, le=65535, description="port to listen at; 0 takes a free one")
    api_key: SecretStr | None = Field(
        None, description="key that requests must carry, 8 letters or more; none is asked for if not set"
    )
    queue: int = Field(
        32, ge=1, le=10_000, description="photos that may wait; further ones are told when to come again"
    )
    max_batch: int | None = Field(
        None,
        ge=1,
        le=64,
        description="waiting photos whose keypoints are computed together; if unset 1 on a CPU, else 8",
    )
    max_wait_ms: float = Field(
        20.0,
        ge=0,
        le=10_000,
        description="milliseconds that a photo waits for others, where several are computed together",
    )
    time_limit_s: float = Field(300.0, gt=0, description="seconds a request may take, waiting included")
    upload_limit_s: float = Field(120.0, gt=0, description="seconds that sending a photo may take")
    max_upload_mb: float = Field(32.0, gt=0, le=500, description="a larger request is refused")
    upload_memory_mb: float = Field(512.0, gt=0, description="all uploads together may hold so much memory")
    max_megapixels: float = Field(64.0, gt=0, le=100, description="a photo of more pixels is not decoded")
    cors_origins: tuple[str, ...] = Field((), description="other sites whose pages may ask: https://HOST, or *")
    grace_s: float = Field(30.0, ge=0, description="seconds to finish what was begun when told to stop")
    keep_uploads: Path | None = Field(None, description="folder to keep every photo in; none is written if not set")
    tiles_url: str | None = Field(None, description="tiles of a map for the page: https://HOST/{z}/{x}/{y}.png")
    tiles_attribution: str = Field("", description="credit of the tiles")

    @field_validator("cors_origins")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            if origin != "*" and not _ORIGIN.fullmatch(origin):
                msg = f"'{origin}' is no site: give https://HOST or https://HOST:PORT without a path or a slash, or *"
                raise ValueError(msg)
        return value

    @field_validator("api_key")
    @classmethod
    def _can_be_sent(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[!-~]{8,512}", value.get_secret_value()):
            msg = "give 8 to 512 letters, digits or signs, without blanks"
            raise ValueError(msg)
        return value
