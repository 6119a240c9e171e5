"""What every request passes: the key, headers that keep browsers safe, and the count."""

from __future__ import annotations

import hmac
import logging
import time
from typing import TYPE_CHECKING

from geonav.serving.refusals import RefusedError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from geonav.serving.service import Service

logger = logging.getLogger(__name__)

# Whoever watches the server needs no key, and neither does the page, which asks for it.
_GUARDED = ("/v1/", "/metrics")
_OPEN = ("/v1/health",)
_HEADERS = {
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"x-frame-options": b"DENY",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"cache-control": b"no-store",
}


class Shield:
    """Wraps the application; plain ASGI, so that it sees a client that leaves."""

    def __init__(self, app: ASGIApp, service: Service) -> None:
        """``app`` answers what is let through."""
        self._app = app
        self._service = service
        secret = service.settings.api_key
        self._key = None if secret is None else secret.get_secret_value().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start, status = time.monotonic(), 499  # what is counted where the client left

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = self._headers(message["headers"])
            await send(message)

        try:
            if self._lets_in(scope):
                await self._app(scope, receive, counted)
            else:
                refused = RefusedError(401, "this server asks for a key: send it as Authorization: Bearer KEY")
                await refused.answer()(scope, receive, counted)
        finally:
            seconds = time.monotonic() - start
            self._service.metrics.answered(scope["path"], scope["method"], status, seconds)
            logger.info("%s %r: %d after %.3f s", scope["method"], scope["path"][:200], status, seconds)

    def _lets_in(self, scope: Scope) -> bool:
        path: str = scope["path"]
        if self._key is None or not path.startswith(_GUARDED) or path in _OPEN:
            return True
        headers: dict[bytes, bytes] = dict(scope["headers"])
        given = headers.get(b"x-api-key", b"")
        kind, _, token = headers.get(b"authorization", b"").partition(b" ")
        if kind.lower() == b"bearer":
            given = token.strip()
        return hmac.compare_digest(given, self._key)

    def _headers(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """With those that are missing."""
        known = {name.lower() for name, _ in headers}
        closing = [(b"connection", b"close")] if self._service.is_draining else []
        return [*headers, *(item for item in _HEADERS.items() if item[0] not in known), *closing]
