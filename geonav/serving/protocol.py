"""HTTP/1.1 with bounds that uvicorn's own protocol lacks: on slow heads, on clients that do not read, on words."""

from __future__ import annotations

import asyncio
import json

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

# A request's head, from the connection's or its own first byte.
HEAD_S = 20.0
# An answer that the client does not take.
STALL_S = 60.0
# A client that is refused in the midst of sending gets the answer only while what it sends is taken.
LINGER_S = 2.0
_HEADERS = [(b"content-type", b"application/json"), (b"x-content-type-options", b"nosniff"), (b"connection", b"close")]


class _Timer:
    """Ends a connection unless it is stopped in time."""

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._loop, self._transport = loop, transport
        self._handle: asyncio.TimerHandle | None = None

    def start(self, seconds: float) -> None:
        """Begin to count, unless it counts already: a byte now and then buys no time."""
        if self._handle is None:
            self._handle = self._loop.call_later(seconds, self._transport.abort)

    @property
    def is_counting(self) -> bool:
        """Whether it will end the connection."""
        return self._handle is not None

    def stop(self) -> None:
        """Count no longer."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


class GuardedProtocol(H11Protocol):
    """Ends connections whose client sends its head by drops, or takes none of its answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._head, self._stall, self._linger = (_Timer(self.loop, transport) for _ in range(3))
        self._await_head()

    def data_received(self, data: bytes) -> None:
        """A head may be complete now, or have begun."""
        if not self._linger.is_counting:
            super().data_received(data)
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is waited for any more."""
        for timer in (self._head, self._stall, self._linger):
            timer.stop()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read."""
        super().pause_writing()
        self._stall.start(STALL_S)

    def resume_writing(self) -> None:
        """It reads again."""
        self._stall.stop()
        super().resume_writing()

    def _await_head(self) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        if (cycle is not None and not cycle.response_complete) or self.transport.is_closing():
            self._head.stop()
        else:
            self._head.start(HEAD_S)

    def send_400_response(self, msg: str) -> None:
        """What is no request, or has too long a head, is refused in the same form as all else."""
        error = {"code": "bad_request", "message": "this is no HTTP request, or its head is too long"}
        content = json.dumps({"error": error}).encode()
        length = (b"content-length", str(len(content)).encode())
        events = (
            h11.Response(status_code=400, headers=[*_HEADERS, length], reason=b"Bad Request"),
            h11.Data(data=content),
            h11.EndOfMessage(),
        )
        try:
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
        except h11.LocalProtocolError:
            self.logger.debug("%s while an answer was being sent", msg)
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self._linger.start(LINGER_S)
        else:
            self.transport.close()
