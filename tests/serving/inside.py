"""A server in a thread of the tests' own process: real requests over loopback, and its parts at hand."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from geonav.config import GeonavConfig
from geonav.pipeline.localize import Localizer
from geonav.serving.app import build_app
from geonav.serving.server import Server
from geonav.serving.service import Service


@contextmanager
def listening(server: uvicorn.Server) -> Iterator[int]:
    """Run a server; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        thread = threading.Thread(target=server.run, args=([bound],))
        thread.start()
        try:
            wait_until(lambda: server.started)
            yield bound.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(30)
    assert not thread.is_alive()


@contextmanager
def held_up(localizer: Localizer, config: GeonavConfig, **settings: object) -> Iterator[tuple[Service, str]]:
    """A server that takes photos and begins none, so that they wait for as long as a test likes; gives its address."""
    serve = type(config.serve).model_validate({**config.serve.model_dump(), **settings})
    service = Service(localizer.database, config.model_copy(update={"serve": serve}))
    service.engine.localizer = localizer
    with listening(Server(build_app(service), service, lambda: None)) as port:
        try:
            yield service, f"http://127.0.0.1:{port}"
        finally:
            service.engine.stop(0)


def wait_until(happens: Callable[[], bool], seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.02)
