"""The twin itself: every service behind one address of this machine."""

from __future__ import annotations

import logging
import re
import socket
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote

from geonav.errors import NetworkError
from geonav.providers.demo.twin.access import DEMO_KEY, DEMO_TOKEN, Access
from geonav.providers.demo.twin.calls import Calls
from geonav.providers.demo.twin.city import City
from geonav.providers.demo.twin.elevation import Elevation
from geonav.providers.demo.twin.faults import REDIRECTED, FaultDraw, FaultKind, Faults, replacement
from geonav.providers.demo.twin.mapillary import ORIGINAL_WIDTH, Mapillary
from geonav.providers.demo.twin.nominatim import Nominatim
from geonav.providers.demo.twin.overpass import Overpass
from geonav.providers.demo.twin.panoramax import Panoramax
from geonav.providers.demo.twin.spheres import Spheres
from geonav.providers.demo.twin.street_view import StreetView
from geonav.providers.demo.twin.wire import Call, Reply, Route, text_reply

logger = logging.getLogger(__name__)

_MAX_BODY_BYTES = 1 << 20
_SECRETS = re.compile(r"(^|&)(key|signature|access_token)=[^&]*")


class Twin:
    """Serves a city as the real services serve the world; started and stopped, or a context manager.

    Attributes:
        calls: what was asked.
        base_url: under which it answers; empty while it is stopped.
    """

    def __init__(
        self,
        city: City,
        faults: Faults | None = None,
        access: Access | None = None,
        *,
        panorama_width: int = ORIGINAL_WIDTH,
    ) -> None:
        """Prepare the services; nothing listens yet.

        Args:
            city: what is served.
            faults: what goes wrong; nothing if None.
            access: which keys are right; any if None.
            panorama_width: pixels of the largest equirectangular pictures.
        """
        self.calls = Calls()
        self.base_url = ""
        self.faults = faults or Faults()
        self._draw = FaultDraw(self.faults)
        self._access = access or Access()
        spheres = Spheres(city)
        self._routes: list[Route] = [
            *StreetView(city, self._access).routes(),
            *Elevation(city, self._access).routes(),
            *Nominatim(city).routes(),
            *Overpass(city).routes(),
            *Panoramax(city, panorama_width, spheres).routes(),
            *Mapillary(city, self._access, panorama_width, spheres).routes(),
        ]
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.stopping = threading.Event()

    def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen, in threads of its own; returns the address.

        Args:
            host: to listen at.
            port: to listen at; one that is free if 0.

        Raises:
            NetworkError: the port is taken or not allowed.
        """
        if self._server is not None:
            return self.base_url
        try:
            self._server = _Server((host, port), self)
        except OSError as error:
            msg = f"cannot listen at {host}:{port}: {error.strerror or error}; choose another --port"
            raise NetworkError(msg) from error
        self.stopping.clear()
        # Whoever listens at all addresses is reached at this machine's own.
        shown = "127.0.0.1" if host in ("", "0.0.0.0") else host  # noqa: S104
        self.base_url = f"http://{shown}:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="geonav-twin")
        self._thread.start()
        return self.base_url

    def stop(self) -> None:
        """End, and close every connection; a no-op where it is stopped."""
        if self._server is None or self._thread is None:
            return
        self.stopping.set()
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._thread.join()
        self._server, self._thread, self.base_url = None, None, ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def settings(self) -> dict[str, dict[str, Any]]:
        """Settings, by section, that point geonav at a started twin."""
        key, token = self._access.google_key or DEMO_KEY, self._access.mapillary_token or DEMO_TOKEN
        google: dict[str, Any] = {"url": self.base_url, "api_key": key}
        if self._access.signing_secret:
            google["signing_secret"] = self._access.signing_secret
        return {
            "fetch": {"provider": "demo"},
            "google": google,
            "mapillary": {"url": self.base_url, "tiles_url": self.base_url, "access_token": token},
            "panoramax": {"url": self.base_url},
            "osm": {
                "nominatim_url": self.base_url,
                "overpass_url": f"{self.base_url}/api",
                "min_interval_s": 0.0,
            },
            "elevation": {"source": "google", "open_meteo_url": self.base_url},
        }

    def answer(self, call: Call) -> tuple[Reply, FaultKind | None]:
        """The reply to a call, and the fault that spoils how it is sent, if one does."""
        path = call.path.removeprefix(REDIRECTED) or "/"
        for route in self._routes:
            match = route.pattern.fullmatch(path)
            if match is not None:
                return self._answer_at(route, match, call)
        self.calls.count_call("unknown")
        return text_reply("Not found", 404), None

    def _answer_at(self, route: Route, match: re.Match[str], call: Call) -> tuple[Reply, FaultKind | None]:
        self.calls.count_call(route.service)
        address = f"{call.path}?{_SECRETS.sub('', call.raw_query).lstrip('&')}"
        fault = self._draw.draw(address, route.kind)
        reply = None
        if fault is not None:
            self.calls.count_fault(fault)
            reply = replacement(fault, route.kind, call, self.faults)
        if reply is None:
            reply = route.answer(call, match)
        if reply.billed_as is not None:
            self.calls.count_billed(reply.billed_as, address.removeprefix(REDIRECTED))
        return reply, fault


class _Server(ThreadingHTTPServer):
    """One thread a connection; ends when told to, however many clients keep theirs open."""

    request_queue_size = 256
    daemon_threads = False
    block_on_close = True

    def __init__(self, address: tuple[str, int], twin: Twin) -> None:
        self.twin = twin
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401 - as the base class has it
        with self._lock:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401 - as the base class has it
        with self._lock:
            self._open.discard(request)
        super().shutdown_request(request)

    def hang_up(self) -> None:
        """End the reading of every connection, so that its thread ends."""
        with self._lock:
            for connection in self._open:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RD)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401, ARG002 - as the base class has it
        """Clients may hang up; anything else is worth a line in the log."""
        logger.debug("a call of the twin ended early", exc_info=True)


class _Handler(BaseHTTPRequestHandler):
    """Reads a call, sends a reply."""

    protocol_version = "HTTP/1.1"
    server_version = "geonav-twin"
    disable_nagle_algorithm = True
    wbufsize = -1
    server: _Server

    def do_GET(self) -> None:
        """Answer."""
        self._reply_to(b"")

    def do_POST(self) -> None:
        """Answer; what a POST brings is a form or JSON."""
        text = self.headers.get("Content-Length", "0")
        length = int(text) if text.isdecimal() else 0
        if length > _MAX_BODY_BYTES:
            self.close_connection = True
            self._send(text_reply("Too large", 413), None)
            return
        self._reply_to(self.rfile.read(length))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as the base class has it
        """Say nothing: the addresses hold keys."""

    def _reply_to(self, body: bytes) -> None:
        raw_path, _, raw_query = self.path.partition("?")
        call = Call(
            path=unquote(raw_path),
            raw_query=raw_query,
            raw_path=raw_path.removeprefix(REDIRECTED),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            base_url=f"http://{self.headers.get('Host', '127.0.0.1')}",
        )
        twin = self.server.twin
        try:
            reply, fault = twin.answer(call)
        except Exception:  # a service that fails must not take the connection down unheard
            logger.exception("the twin could not answer %s", call.path)
            reply, fault = text_reply("The twin failed", 500), None
        if fault is FaultKind.SLOW:
            twin.stopping.wait(twin.faults.slow_s)
        self._send(reply, fault)

    def _send(self, reply: Reply, fault: FaultKind | None) -> None:
        body, half = reply.body, len(reply.body) // 2
        spoilt = fault in (FaultKind.TRUNCATED, FaultKind.WRONG_LENGTH)
        self.send_response(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(half if fault is FaultKind.WRONG_LENGTH else len(body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if spoilt:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body[:half] if fault is FaultKind.TRUNCATED else body)
