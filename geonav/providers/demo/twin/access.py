"""Keys, tokens and signatures that the twin asks for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass

from geonav.providers.demo.twin.wire import Call

# Google's own client library takes no key that begins otherwise.
DEMO_KEY = "AIza-demo"
DEMO_TOKEN = "MLY|demo"  # noqa: S105 - opens nothing but the twin


@dataclass(frozen=True)
class Access:
    """Who may ask.

    Attributes:
        google_key: the only key that is right; any will do if None, but one there must be.
        signing_secret: in Google's URL-safe base64; signatures of images and metadata are checked where it is set.
        mapillary_token: the only token that is right; any will do if None.
        link_lifetime_s: after which the address of a Mapillary picture is refused.
        clock: seconds since 1970.
    """

    google_key: str | None = None
    signing_secret: str | None = None
    mapillary_token: str | None = None
    link_lifetime_s: float = 3600.0
    clock: Callable[[], float] = time.time

    def google_refusal(self, call: Call, *, signed: bool = True) -> str | None:
        """Why Google would refuse a call; None where it would not."""
        key = call.query.get("key")
        if not key:
            return "The request has no API key."
        if self.google_key is not None and key != self.google_key:
            return "The provided API key is invalid."
        if signed and self.signing_secret and not self._signature_fits(call):
            return "The signature does not fit the request."
        return None

    def mapillary_allows(self, call: Call) -> bool:
        """Whether a call brings the token, in its header or, as tiles allow, in its address."""
        token = call.headers.get("authorization", "").removeprefix("OAuth ") or call.query.get("access_token", "")
        return bool(token) and self.mapillary_token in (None, token)

    def link_signature(self, subject: str, expires_at: int) -> str:
        """What makes the address of a picture valid until it expires."""
        return hmac.new(DEMO_TOKEN.encode(), f"{subject}|{expires_at}".encode(), hashlib.sha256).hexdigest()[:32]

    def link_allows(self, subject: str, expires_at: str, signature: str) -> bool:
        """Whether the address of a picture is still and truly valid."""
        if not expires_at.isdecimal() or int(expires_at) < self.clock():
            return False
        return hmac.compare_digest(self.link_signature(subject, int(expires_at)), signature)

    def _signature_fits(self, call: Call) -> bool:
        # What is signed ends before the signature, which is the last parameter.
        query, _, signature = call.raw_query.rpartition("&signature=")
        secret = base64.urlsafe_b64decode(self.signing_secret or "")
        digest = hmac.new(secret, f"{call.raw_path}?{query}".encode(), hashlib.sha1).digest()
        given = signature.replace("%3D", "=").replace("%3d", "=")
        return hmac.compare_digest(base64.urlsafe_b64encode(digest), given.encode())
