"""Connections that would last for ever: heads that come by drops, answers that nobody reads."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import pytest
import uvicorn

from geonav.serving import protocol
from geonav.serving.protocol import GuardedProtocol
from tests.serving.inside import listening, wait_until

_CHUNK = bytes(1 << 20)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[uvicorn.Server, int]]:
    monkeypatch.setattr(protocol, "HEAD_S", 0.5)
    monkeypatch.setattr(protocol, "STALL_S", 0.5)
    config = uvicorn.Config(_endless, http=GuardedProtocol, ws="none", log_config=None, log_level="critical",
                            lifespan="off", timeout_graceful_shutdown=1)  # fmt: skip
    made = uvicorn.Server(config)
    with listening(made) as port:
        yield made, port


async def _endless(scope: dict[str, object], receive: object, send: object) -> None:
    count = 200 if scope["path"] == "/much" else 1
    await send({"type": "http.response.start", "status": 200, "headers": []})  # type: ignore[operator]
    for _ in range(count):
        await send({"type": "http.response.body", "body": _CHUNK, "more_body": True})  # type: ignore[operator]
    await send({"type": "http.response.body", "body": b""})  # type: ignore[operator]


def _is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: "])
def test_a_head_that_does_not_end_ends_the_connection(server: tuple[uvicorn.Server, int], sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server[1]), timeout=20) as connection:
        connection.sendall(sent)
        start = time.monotonic()
        try:
            while time.monotonic() - start < 10:  # a byte now and then buys no time
                if sent:
                    connection.sendall(b"a")
                connection.settimeout(0.1)
                try:
                    assert _is_closed(connection)
                    break
                except TimeoutError:
                    continue
        except (BrokenPipeError, ConnectionResetError):
            pass
        assert 0.3 < time.monotonic() - start < 10


def test_an_answer_that_nobody_takes_ends_the_connection(server: tuple[uvicorn.Server, int]) -> None:
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", server[1]))
        connection.sendall(b"GET /much HTTP/1.1\r\nHost: x\r\n\r\n")
        wait_until(lambda: len(server[0].server_state.connections) == 1)
        wait_until(lambda: not server[0].server_state.connections)


def test_one_that_is_read_lasts_longer_than_that(server: tuple[uvicorn.Server, int]) -> None:
    with socket.create_connection(("127.0.0.1", server[1]), timeout=20) as connection:
        for _ in range(2):  # and is kept for another request
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            taken, last = 0, b""
            while not last.endswith(b"0\r\n\r\n"):
                last = connection.recv(1 << 18)
                assert last
                taken += len(last)
                time.sleep(0.1 if taken < 300_000 else 0)
            assert taken > len(_CHUNK)


@pytest.mark.parametrize("sent", [b"nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nX: " + b"a" * 300_000])
def test_what_is_no_request_is_told_so(server: tuple[uvicorn.Server, int], sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server[1]), timeout=20) as connection:
        connection.sendall(sent)
        received = b""
        while part := connection.recv(65536):
            received += part
    head, _, content = received.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request")
    assert json.loads(content)["error"]["code"] == "bad_request"
