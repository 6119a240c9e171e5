"""``geonav serve`` as a user starts it, in a process of its own, and raw requests to it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
START_S, ANSWER_S = 120, 1800
# Nobody stands there: the answer costs keypoints and no match.
FAR = {"lat": "1", "lng": "2", "within_m": "50"}


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass(frozen=True)
class Program:
    """A server that runs."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path
    headers: Mapping[str, str] = field(default_factory=dict)

    def with_headers(self, headers: Mapping[str, str]) -> Program:
        """The same, asked with some headers each time."""
        return replace(self, headers=headers)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        return asked(urllib.request.Request(self.url + path, headers={**self.headers, **(headers or {})}))  # noqa: S310

    def localize(self, photo: bytes, name: str = "photo.jpg", **fields: str) -> Reply:
        body, kind = form(photo, name, fields)
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.url}/v1/localize", body, {**self.headers, "Content-Type": kind}, method="POST"
        )
        return asked(request)

    def send(self, raw: bytes, timeout_s: float = 60) -> Reply | None:
        """Whatever bytes, over a connection of their own; None where no answer comes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout_s) as connection:
            received = b""
            with suppress(OSError):  # it may have said no before all was sent
                connection.sendall(raw)
            with suppress(ConnectionError):
                while part := connection.recv(65536):
                    received += part
        return _reply(received) if received else None

    def memory_mb(self, name: str = "VmHWM") -> float:
        """Its memory now (VmRSS), or the most it had (VmHWM)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(name)) / 1024

    def metric(self, name: str) -> float:
        """The sum of a metric over its labels."""
        lines = self.get("/metrics").content.decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)


def _reply(received: bytes) -> Reply:
    head, _, content = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    return Reply(int(first.split()[1]), dict(line.lower().split(": ", 1) for line in lines), content)


def asked(request: urllib.request.Request) -> Reply:
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S) as answer:  # noqa: S310
            return Reply(answer.status, {k.lower(): v for k, v in answer.headers.items()}, answer.read())
    except urllib.error.HTTPError as error:
        return Reply(error.code, {k.lower(): v for k, v in error.headers.items()}, error.read())


def form(photo: bytes | None, name: str = "photo.jpg", fields: Mapping[str, str] | None = None) -> tuple[bytes, str]:
    """A form and its content type."""
    boundary = uuid.uuid4().hex
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'.encode()
        for key, value in (fields or {}).items()
    ]
    if photo is not None:
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="photo"; filename="{name}"\r\n'
        parts.append(head.encode() + b"Content-Type: image/jpeg\r\n\r\n" + photo + b"\r\n")
    return b"".join(parts) + f"--{boundary}--\r\n".encode(), f"multipart/form-data; boundary={boundary}"


@contextmanager
def started(
    database: Path, log: Path, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[Program]:
    """Run it until it takes photos; it is ended afterwards."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "geonav", "serve", "--database", str(database), "--port", str(port), *options]
    own = {name: value for name, value in os.environ.items() if not name.startswith("GEONAV_")}
    env = {**own, **(environment or {})}
    with log.open("w") as out, subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env=env) as process:
        program = Program(process, port, log)
        try:
            wait_until_ready(program)
            yield program
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def wait_until_ready(program: Program) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        assert program.process.poll() is None, program.log.read_text("utf-8")
        try:
            if program.get("/v1/health").status == 200:
                return
        except (urllib.error.URLError, ConnectionError):
            pass
        time.sleep(0.1)
    raise AssertionError(program.log.read_text("utf-8"))
