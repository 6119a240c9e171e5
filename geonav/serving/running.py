"""A server from its start to its end: it listens at once, loads beside that, and finishes what it has begun."""

from __future__ import annotations

import errno
import logging
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from geonav.errors import InputError, UsageError
from geonav.serving.app import build_app
from geonav.serving.service import Service

if TYPE_CHECKING:
    from types import FrameType

    from geonav.config import GeonavConfig
    from geonav.data.database import Database

logger = logging.getLogger(__name__)

_BACKLOG = 512
# More open connections than this are answered with 503 at once.
_CONNECTIONS = 1000
_LAST_WORDS_S = 5
_ENGINE_STOP_S = 15.0


def serve(database: Database, config: GeonavConfig, on_ready: Callable[[str], None] = lambda _: None) -> None:
    """Answer until a signal ends it.

    Args:
        database: indexed.
        config: settings; ``[serve]`` says how.
        on_ready: called with the server's address once photos are taken.

    Raises:
        UsageError: the port cannot be listened at.
        GeonavError: as :class:`geonav.pipeline.localize.Localizer`.
    """
    try:
        import uvicorn
    except ImportError as error:
        msg = "serving needs uvicorn: pip install 'geonav[serve]'"
        raise InputError(msg) from error
    service = Service(database, config)
    app = build_app(service)
    listening = _listening(config.serve.host, config.serve.port)

    class Server(uvicorn.Server):
        """Goes on listening while it finishes, so that whoever watches it sees that."""

        drained_by: float | None = None
        told = False

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's own
            """The first signal lets it finish, the second ends it."""
            if self.drained_by is not None:
                self.should_exit = self.force_exit = True
                return
            service.is_draining = True
            self.drained_by = time.monotonic() + config.serve.grace_s

        async def on_tick(self, counter: int) -> bool:
            """Ten times a second: is it time to end?"""
            if service.engine.failure is not None:
                return True
            if service.state == "ready" and not self.told:
                self.told = True
                on_ready(_address(listening))
            if self.drained_by is not None and (service.is_idle or time.monotonic() > self.drained_by):
                service.engine.stop(0.0)
                return True
            return await super().on_tick(counter)

    server = Server(
        uvicorn.Config(
            app, log_config=None, log_level="error", access_log=False, server_header=False, lifespan="off",
            limit_concurrency=_CONNECTIONS, timeout_graceful_shutdown=_LAST_WORDS_S, proxy_headers=False,
        )
    )  # fmt: skip
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # the client is told what is wrong with its form
    import pycolmap  # noqa: F401 - takes the signals when it is first imported; the server takes them back

    service.engine.start()
    try:
        server.run([listening])
    finally:
        service.engine.stop(_ENGINE_STOP_S)
    if service.engine.failure is not None:
        raise service.engine.failure


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        made = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            msg = f"port {port} of {host} is in use: stop what uses it, or name another with --port"
        else:
            msg = f"cannot listen at {host}, port {port} ({error.strerror or error}): check --host and --port"
        raise UsageError(msg) from error
    return made


def _address(listening: socket.socket) -> str:
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
