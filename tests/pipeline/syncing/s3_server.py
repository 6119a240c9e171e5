"""An S3 server on this machine (moto's, over HTTP) that counts what it is asked and fails on request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

Fault = Callable[[str, str], "tuple[str, bytes] | None"]


class QuietHandler(MotoRequestHandler):
    """Says nothing on stderr."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        """Drop it."""


class S3Server:
    """Serves until it is stopped.

    Attributes:
        requests: method, path and bytes of each request that came.
        fault: may answer a request, given its method and path, instead of the real server; may also wait or stop it.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, int]] = []
        self.fault: Fault | None = None
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=QuietHandler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def written(self, folder: str = "") -> list[tuple[str, int]]:
        """Keys below ``folder`` that were written, and their bytes."""
        return [(path, size) for method, path, size in self.requests if method == "PUT" and f"/{folder}" in path]

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.requests.append((method, path, int(environ.get("CONTENT_LENGTH") or 0)))
        answer = self.fault(method, path) if self.fault else None
        if answer is None:
            return self._app(environ, start_response)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        status, body = answer
        start_response(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]


def error_body(code: str) -> bytes:
    """What S3 says with an error."""
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
