"""uvicorn, taught to finish what was begun while it still says that it is ending."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from geonav.serving.protocol import GuardedProtocol
from geonav.serving.service import Service

# More open connections than this are answered with 503 at once.
_CONNECTIONS = 512
_MAX_HEAD_BYTES = 16 << 10
_LAST_WORDS_S = 5


class Server(uvicorn.Server):
    """Goes on listening while it finishes, so that whoever watches it sees that."""

    def __init__(self, app: ASGIApp, service: Service, on_ready: Callable[[], None]) -> None:
        """``on_ready`` is called once photos are taken."""
        super().__init__(
            uvicorn.Config(
                app, http=GuardedProtocol, ws="none", log_config=None, log_level="error", access_log=False,
                server_header=False, lifespan="off", limit_concurrency=_CONNECTIONS, proxy_headers=False,
                timeout_graceful_shutdown=_LAST_WORDS_S, h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
            )
        )  # fmt: skip
        self._service = service
        self._on_ready: Callable[[], None] | None = on_ready
        self._drained_by: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's own
        """The first signal lets it finish, the second ends it."""
        if self._drained_by is not None:
            self.should_exit = self.force_exit = True
            return
        self._service.is_draining = True
        self._drained_by = time.monotonic() + self._service.settings.grace_s

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: is it time to end?"""
        service = self._service
        if service.engine.failure is not None:
            return True
        if self._on_ready is not None and service.state == "ready":
            self._on_ready()
            self._on_ready = None
        if self._drained_by is not None and (service.is_idle or time.monotonic() > self._drained_by):
            service.engine.stop(0.0)
            return True
        return await super().on_tick(counter)


@contextmanager
def reloading(service: Service) -> Iterator[None]:
    """Let the signal HUP, where there is one, have the database read anew."""
    if not hasattr(signal, "SIGHUP"):
        yield
        return
    before = signal.signal(signal.SIGHUP, lambda *_: service.engine.reload())
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)
