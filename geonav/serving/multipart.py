"""A form with a photo, read as it comes: in memory, within limits, never through a file.

Starlette's own reader writes files of more than a megabyte to the disk.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from geonav.serving.refusals import RefusedError

if TYPE_CHECKING:
    from starlette.requests import Request

# Boundaries and the other fields beside the photo.
_OTHER_BYTES = 64 << 10
_MAX_PARTS = 16
_MAX_HEADERS, _MAX_HEADER_BYTES = 8, 4096
_MAX_FIELD_BYTES = 4096
_MAX_NAME = 120
# A client that is still sending reads the answer only once what it sends is taken.
_DISCARD_BYTES, _DISCARD_S = 64 << 20, 10.0


class Memory:
    """How many bytes all uploads hold together."""

    def __init__(self, limit: int) -> None:
        """``limit`` in bytes."""
        self.limit = limit
        self.held = 0

    @contextlib.contextmanager
    def lease(self) -> Iterator[Lease]:
        """Bytes that are given back at the end."""
        lease = Lease(self)
        try:
            yield lease
        finally:
            lease.give_back()


@dataclass
class Lease:
    """One request's share of the memory."""

    memory: Memory
    held: int = 0

    def take(self, count: int) -> None:
        """Take some more bytes.

        Raises:
            RefusedError: all are taken.
        """
        if self.memory.held + count > self.memory.limit:
            raise RefusedError(429, "too many photos are being uploaded: try again in a moment", 2)
        self.memory.held += count
        self.held += count

    def give_back(self) -> None:
        """Give all of them back."""
        self.memory.held -= self.held
        self.held = 0


@dataclass
class Form:
    """What a form holds.

    Attributes:
        fields: the text of each field.
        photo: the file.
        name: what the client calls it: a plain name without folders.
    """

    fields: dict[str, str] = field(default_factory=dict)
    photo: bytes | None = None
    name: str = "photo"


def plain_name(name: str) -> str:
    """The last part of whatever a client calls its file; nothing in it names a folder or cannot be printed."""
    last = name.replace("\\", "/").rsplit("/", 1)[-1]
    kept = "".join(letter for letter in last if letter.isprintable()).strip()[:_MAX_NAME]
    return kept if kept.strip(".") else "photo"


class _Reader:
    """Puts together what the parser finds."""

    def __init__(self) -> None:
        self.form = Form()
        self.is_complete = False
        self._parts = 0
        self._headers: dict[bytes, bytes] = {}
        self._header = [b"", b""]
        self._name, self._file = "", False
        self._content = bytearray()

    def on_part_begin(self) -> None:
        self._parts += 1
        if self._parts > _MAX_PARTS:
            raise RefusedError(400, f"the form has more than {_MAX_PARTS} parts")
        self._headers, self._content = {}, bytearray()

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._header[0] += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1] += data[start:end]

    def on_header_end(self) -> None:
        self._headers[self._header[0].lower()] = self._header[1]
        self._header = [b"", b""]

    def on_headers_finished(self) -> None:
        from python_multipart.multipart import parse_options_header

        kind, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if kind != b"form-data" or not self._name:
            raise RefusedError(400, "a part of the form has no name")
        if self._name in self.form.fields or (self._name == "photo" and self.form.photo is not None):
            raise RefusedError(422, f"{plain_name(self._name)} is given twice")
        self._file = b"filename" in options
        if self._file != (self._name == "photo"):
            wanted = "the photo belongs in the field 'photo', as a file: curl -F photo=@FILE"
            is_photo = self._name == "photo"
            what = wanted if is_photo else f"{plain_name(self._name)} must not be a file: {wanted}"
            raise RefusedError(422, what)
        if self._file:
            self.form.name = plain_name(options[b"filename"].decode("utf-8", "replace"))

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._content += data[start:end]
        if not self._file and len(self._content) > _MAX_FIELD_BYTES:
            raise RefusedError(422, f"{plain_name(self._name)} is longer than {_MAX_FIELD_BYTES} bytes")

    def on_part_end(self) -> None:
        if self._file:
            self.form.photo = bytes(self._content)
        else:
            try:
                self.form.fields[self._name] = self._content.decode("utf-8")
            except UnicodeDecodeError as error:
                raise RefusedError(422, f"{plain_name(self._name)} is not UTF-8") from error
        self._content = bytearray()

    def on_end(self) -> None:
        self.is_complete = True


async def read_form(request: Request, lease: Lease, max_bytes: int, time_s: float) -> Form:
    """Read a request's form.

    Args:
        request: none of whose body was read.
        lease: pays for what is held.
        max_bytes: of the photo.
        time_s: it must be here within.

    Raises:
        RefusedError: too large, too slow, broken off, or no form.
        ClientDisconnect: nobody is there any more.
    """
    most = max_bytes + _OTHER_BYTES
    length = request.headers.get("content-length")
    if length is not None and int(length) > most:  # the server lets no other letters than digits pass
        await _refused_early(request, int(length))
        raise _too_large(max_bytes)
    stream = request.stream()
    try:
        async with asyncio.timeout(time_s):
            return await _read(stream, _boundary(request), lease, (most, max_bytes))
    except TimeoutError as error:
        raise RefusedError(408, f"the photo did not arrive within {time_s:g} s: send it anew") from error
    except RefusedError:
        await discard(stream)
        raise


def _too_large(max_bytes: int) -> RefusedError:
    return RefusedError(413, f"the request is larger than the {max_bytes / 1e6:g} MB allowed: send a smaller copy")


async def _refused_early(request: Request, length: int) -> None:
    if length <= _DISCARD_BYTES:
        await discard(request.stream())


async def discard(stream: AsyncIterator[bytes]) -> None:
    """Take what a client still sends and forget it, within bounds."""
    from starlette.requests import ClientDisconnect

    taken = 0
    with contextlib.suppress(TimeoutError, ClientDisconnect, RuntimeError):
        async with asyncio.timeout(_DISCARD_S):
            async for chunk in stream:
                taken += len(chunk)
                if taken > _DISCARD_BYTES:
                    return


def _boundary(request: Request) -> bytes:
    from python_multipart.multipart import parse_options_header

    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data":
        raise RefusedError(415, "send the photo as multipart/form-data: curl -F photo=@FILE")
    if not 1 <= len(boundary) <= 70:
        raise RefusedError(400, "the form's boundary must have 1 to 70 characters")
    return boundary


async def _read(stream: AsyncIterator[bytes], boundary: bytes, lease: Lease, most: tuple[int, int]) -> Form:
    from python_multipart.exceptions import FormParserError
    from python_multipart.multipart import MultipartParser

    reader, total = _Reader(), 0
    names = (
        "part_begin",
        "header_field",
        "header_value",
        "header_end",
        "headers_finished",
        "part_data",
        "part_end",
        "end",
    )
    callbacks = {f"on_{name}": getattr(reader, f"on_{name}") for name in names}
    try:
        parser = MultipartParser(
            boundary,
            callbacks,  # type: ignore[arg-type]
            max_header_count=_MAX_HEADERS,
            max_header_size=_MAX_HEADER_BYTES,
        )
        async for chunk in stream:
            total += len(chunk)
            if total > most[0]:
                raise _too_large(most[1])
            lease.take(len(chunk))
            if not reader.is_complete:
                parser.write(chunk)
    except FormParserError as error:
        raise RefusedError(400, f"the form cannot be read: {str(error).splitlines()[0][:120]}") from error
    if not reader.is_complete:
        raise RefusedError(400, "the form breaks off before its end: send it anew")
    return reader.form
