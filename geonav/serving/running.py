"""A server from its start to its end: it listens at once, loads beside that, and finishes what it has begun."""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

from geonav.data.files import make_writable
from geonav.errors import InputError, UsageError
from geonav.serving.app import build_app
from geonav.serving.service import Service

if TYPE_CHECKING:
    from geonav.config import GeonavConfig
    from geonav.data.database import Database

_BACKLOG = 512
_ENGINE_STOP_S = 15.0


def serve(database: Database, config: GeonavConfig, on_ready: Callable[[str], None] = lambda _: None) -> None:
    """Answer until a signal ends it: TERM or INT; HUP reads the database anew.

    Args:
        database: indexed.
        config: settings; ``[serve]`` says how.
        on_ready: called with the server's address once photos are taken.

    Raises:
        InputError: the extra is not installed.
        UsageError: the port cannot be listened at.
        StorageError: photos are to be kept in a folder that cannot be made, or takes no files.
        GeonavError: as :class:`geonav.pipeline.localize.Localizer`.
    """
    try:
        from geonav.serving.server import Server, reloading
    except ImportError as error:
        msg = f"serving needs {error.name or 'uvicorn'}: pip install 'geonav[serve]'"
        raise InputError(msg) from error
    if config.serve.keep_uploads is not None:
        make_writable(config.serve.keep_uploads, config.serve.keep_uploads)
    service = Service(database, config)
    app = build_app(service)
    listening = _listening(config.serve.host, config.serve.port)
    server = Server(app, service, lambda: on_ready(_address(listening)))
    logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # the client is told what is wrong with its form
    import pycolmap  # noqa: F401 - takes the signals when it is first imported; the server takes them back

    service.engine.start()
    try:
        with reloading(service):
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
