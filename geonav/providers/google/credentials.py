"""Who pays, and whether Google's terms were read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from pydantic import SecretStr

from geonav.config import GeonavConfig
from geonav.errors import AuthError, UsageError

KEY_ADVICE = "set GOOGLE_MAPS_API_KEY or give --credentials FILE with a key that may use this service"
TERMS_URL = "https://cloud.google.com/maps-platform/terms"
TERMS_NOTICE = (
    "Google's terms (section 3.2.3) forbid to prefetch, store, index or download in bulk Street View images and"
    f" elevations, and to train models on them, where no agreement of yours allows it; read {TERMS_URL} and, if you"
    " may go on, set terms_acknowledged = true under [google] in geonav.toml or"
    " GEONAV_GOOGLE__TERMS_ACKNOWLEDGED=true; the providers mapillary and panoramax are open"
)
_GOOGLE_HOSTS = ("googleapis.com", "google.com")


@dataclass(frozen=True)
class Credentials:
    """What a call is billed to.

    Attributes:
        key: of a project.
        signing_secret: signs calls past the quota of unsigned ones, in URL-safe base64; None where they stay unsigned.
    """

    key: SecretStr
    signing_secret: SecretStr | None = None

    @classmethod
    def from_config(cls, config: GeonavConfig) -> Self:
        """The key that is configured, if it may be used.

        Raises:
            AuthError: there is none.
            UsageError: Google itself would be called, and its terms are not acknowledged.
        """
        google = config.google
        if google.api_key is None or not google.api_key.get_secret_value().strip():
            msg = f"no key for {google_host(config)}: {KEY_ADVICE}"
            raise AuthError(msg)
        if is_googles_own(google.url) and not google.terms_acknowledged:
            raise UsageError(TERMS_NOTICE)
        return cls(SecretStr(google.api_key.get_secret_value().strip()), google.signing_secret)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not be seen anywhere."""
        return tuple(secret.get_secret_value() for secret in (self.key, self.signing_secret) if secret is not None)


def is_googles_own(url: str) -> bool:
    """Whether an address is a service of Google's, to which its terms apply, and not one that speaks like it."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    return any(host == own or host.endswith(f".{own}") for own in _GOOGLE_HOSTS)


def google_host(config: GeonavConfig) -> str:
    """The host that is called, for messages."""
    return urlsplit(config.google.url).hostname or "Google"
