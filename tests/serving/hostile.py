"""Uploads that mean no good, each of which must be refused; equal seeds give equal ones."""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.serving.program import form

Random = random.Random
_HOST = "POST /v1/localize HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
_NAMES = (
    "../../../etc/passwd", "/etc/shadow", "..\\..\\windows\\win.ini", "C:\\a.jpg", "a\x01b.jpg", ".", "..", "~/.ssh/id",
    "x" * 3000, "a.jpg;rm -rf", "file:///etc/passwd", "%2e%2e%2fx", "con", "\u202egpj.exe", "'; DROP TABLE--",
)  # fmt: skip


@dataclass(frozen=True)
class Attack:
    """One of them.

    Attributes:
        kind: of what it is.
        raw: the whole request.
    """

    kind: str
    raw: bytes


def _post(body: bytes, kind: str, headers: str = "") -> bytes:
    return (
        f"{_HOST}{headers}Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode("utf-8", "replace") + body
    )


def _upload(content: bytes | None, name: str = "a.jpg", **fields: str) -> bytes:
    return _post(*form(content, name, fields))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _png(width: int, height: int, *chunks: bytes, depth: int = 8, color: int = 2) -> bytes:
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + _chunk(b"IEND", b"")


class Attacks:
    """Makes them of an innocent photo."""

    def __init__(self, photo: bytes, most_bytes: int, seed: int) -> None:
        """``most_bytes``: what the server takes."""
        self._photo = photo
        self._most = most_bytes
        self._seed = seed

    def make(self, count: int) -> Iterator[Attack]:
        """So many, every kind in turn."""
        kinds = sorted(name for name in dir(self) if name.startswith("_a_"))
        for number in range(count):
            rng = Random(f"{self._seed} {number}")
            name = kinds[number % len(kinds)]
            maker: Callable[[Random], bytes] = getattr(self, name)
            yield Attack(name[3:], maker(rng))

    def _a_truncated(self, rng: Random) -> bytes:
        return _upload(self._photo[: rng.randrange(1, int(len(self._photo) * 0.9))], rng.choice(_NAMES))

    def _a_noise(self, rng: Random) -> bytes:
        return _upload(rng.randbytes(rng.randrange(1, 50_000)), rng.choice(_NAMES))

    def _a_broken_header(self, rng: Random) -> bytes:
        head = bytearray(self._photo[:600])
        for _ in range(200):
            head[rng.randrange(2, len(head))] = rng.randrange(256)
        return _upload(bytes(head) + rng.randbytes(300), rng.choice(_NAMES))

    def _a_bomb_of_zeros(self, rng: Random) -> bytes:
        side = rng.randrange(5_000, 60_000)
        return _upload(_png(side, side, _chunk(b"IDAT", zlib.compress(bytes(1 << 20), 9) * rng.randrange(1, 40))))

    def _a_bomb_of_text(self, rng: Random) -> bytes:
        text = b"Comment\0\0" + zlib.compress(bytes(rng.randrange(64, 200) << 20), 1)[: self._most // 2]
        return _upload(_png(64, 64, _chunk(b"zTXt", text), _chunk(b"IDAT", b"")))

    def _a_bomb_of_profile(self, rng: Random) -> bytes:
        return _upload(
            _png(64, 64, _chunk(b"iCCP", b"p\0\0" + zlib.compress(bytes(64 << 20), 9)), _chunk(b"IDAT", b"x"))
        )

    def _a_deep_picture(self, rng: Random) -> bytes:
        side = rng.randrange(1000, 1900)  # few enough pixels, but of 16 bits
        return _upload(
            _png(side, side, _chunk(b"IDAT", zlib.compress(bytes(side * (2 * side + 1)))), depth=16, color=0)
        )

    def _a_gif_bomb(self, rng: Random) -> bytes:
        return _upload(
            b"GIF89a" + struct.pack("<HH", 65535, rng.randrange(10_000, 65535)) + b"\x80\0\0" + rng.randbytes(99)
        )

    def _a_tiff_bomb(self, rng: Random) -> bytes:
        tags = [(256, rng.randrange(10**5, 10**9)), (257, rng.randrange(10**5, 10**9)), (258, 8), (259, 1), (262, 1)]
        body = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        return _upload(b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + body + bytes(4) + rng.randbytes(50))

    def _a_tiny(self, rng: Random) -> bytes:
        side = rng.randrange(1, 15)
        return _upload(_png(side, side, _chunk(b"IDAT", zlib.compress(bytes(side * (3 * side + 1))))))

    def _a_corrupt_png(self, rng: Random) -> bytes:
        data = zlib.compress(rng.randbytes(64 * 193))
        return _upload(_png(64, 64, _chunk(b"IDAT", data[: rng.randrange(1, len(data) // 2)])))

    def _a_page(self, rng: Random) -> bytes:
        text = rng.choice(
            ("<!DOCTYPE html><script>alert(1)</script>", "<html><img src=x onerror=alert(1)>", "<?php x();")
        )
        return _upload(text.encode() * rng.randrange(1, 99), rng.choice(("a.jpg", "a.html", "a.png")))

    def _a_drawing(self, rng: Random) -> bytes:
        entity = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, rng.randrange(3, 12)))
        text = f'<?xml version="1.0"?><!DOCTYPE svg [{entity}]><svg xmlns="http://www.w3.org/2000/svg"/>'
        return _upload(text.encode(), rng.choice(("a.svg", "a.jpg")))

    def _a_document(self, rng: Random) -> bytes:
        heads = (
            b"%PDF-1.7\n",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n",
            b"PK\x03\x04",
            b"\x7fELF",
            b"MZ",
        )
        return _upload(rng.choice(heads) + rng.randbytes(500))

    def _a_two_kinds_at_once(self, rng: Random) -> bytes:
        return _upload(b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)//" + rng.randbytes(200), "a.gif")

    def _a_parameter(self, rng: Random) -> bytes:
        name, value = rng.choice((
            ("lat", "1e999"), ("lat", "NaN"), ("k", "-1"), ("k", "9" * 4000), ("camera", "PINHOLE," * 60),
            ("camera", "\0"), ("within_m", "-5"), ("__class__", "x"), ("mask", "/etc/passwd"), ("database", "../.."),
            ("matches", "{}"),
        ))  # fmt: skip
        return _upload(self._photo, rng.choice(_NAMES), **{name: value})

    def _a_long_field(self, rng: Random) -> bytes:
        return _upload(self._photo, "a.jpg", camera="x" * rng.randrange(5_000, 500_000))

    def _a_crowd_of_parts(self, rng: Random) -> bytes:
        return _upload(None, **{f"f{i}": "x" for i in range(rng.randrange(17, 3000))})

    def _a_huge_part_header(self, rng: Random) -> bytes:
        length = rng.randrange(5_000, 500_000)
        line = rng.choice((b"X: " + b"a" * length, b"A" * length + b": x", b"X: y\r\n" * (length // 6)))
        body = (
            b"--b\r\n" + line + b'\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\nx\r\n--b--\r\n'
        )
        return _post(body, "multipart/form-data; boundary=b")

    def _a_huge_header(self, rng: Random) -> bytes:
        return _post(b"", "multipart/form-data; boundary=b", f"X-Y: {'a' * rng.randrange(100_000, 500_000)}\r\n")

    def _a_wrong_boundary(self, rng: Random) -> bytes:
        body, _ = form(self._photo)
        kind = rng.choice(("", "; boundary=", f"; boundary={'b' * 300}", "; boundary=other", '; boundary="\\"'))
        return _post(body, f"multipart/form-data{kind}")

    def _a_wrong_type(self, rng: Random) -> bytes:
        kinds = (
            "application/json",
            "image/jpeg",
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/mixed; boundary=b",
        )
        return _post(self._photo, rng.choice(kinds))

    def _a_part_without_name(self, rng: Random) -> bytes:
        line = rng.choice(("X: y", "Content-Disposition: attachment", "Content-Disposition: form-data", ": ", "\0"))
        return _post(f"--b\r\n{line}\r\n\r\nx\r\n--b--\r\n".encode(), "multipart/form-data; boundary=b")

    def _a_photo_twice(self, rng: Random) -> bytes:
        part = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a.jpg"\r\n\r\n' + self._photo + b"\r\n"
        return _post(part * rng.randrange(2, 5) + b"--b--\r\n", "multipart/form-data; boundary=b")

    def _a_photo_that_is_text(self, rng: Random) -> bytes:
        return _upload(None, photo=rng.choice(("/etc/passwd", "http://localhost/", "")))

    def _a_form_without_photo(self, rng: Random) -> bytes:
        return _upload(rng.choice((None, b"")))

    def _a_form_that_breaks_off(self, rng: Random) -> bytes:
        body, kind = form(self._photo)
        return _post(body[: rng.randrange(len(body) - 4)], kind)

    def _a_large_one(self, rng: Random) -> bytes:
        return _upload(self._photo + bytes(self._most + rng.randrange(70_000, 900_000)))

    def _a_large_claim(self, rng: Random) -> bytes:
        length = rng.randrange(10**8, 10**15)
        head = f"{_HOST}Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n\r\n"
        return head.encode() + b"--b\r\n"

    def _a_large_one_in_chunks(self, rng: Random) -> bytes:
        body, kind = form(bytes(self._most + 200_000))
        step = rng.randrange(5_000, 70_000)
        parts = (body[i : i + step] for i in range(0, len(body), step))
        chunks = b"".join(f"{len(part):x}\r\n".encode() + part + b"\r\n" for part in parts) + b"0\r\n\r\n"
        return f"{_HOST}Content-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n".encode() + chunks

    def _a_broken_chunk(self, rng: Random) -> bytes:
        head = f"{_HOST}Content-Type: multipart/form-data; boundary=b\r\nTransfer-Encoding: chunked\r\n\r\n"
        return head.encode() + rng.choice((b"zz\r\n", b"-5\r\nx", b"ffffffffffffffffffff\r\nx\r\n")) + rng.randbytes(30)

    def _a_length_that_is_none(self, rng: Random) -> bytes:
        length = rng.choice(("-1", "1e3", "abc", "5\r\nContent-Length: 6", "9" * 40))
        return f"{_HOST}Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n\r\nx".encode()

    def _a_length_too_long(self, rng: Random) -> bytes:
        body, kind = form(self._photo)
        head = f"{_HOST}Content-Type: {kind}\r\nContent-Length: {len(body) + rng.randrange(1, 999)}\r\n\r\n"
        return head.encode() + body

    def _a_request_that_is_none(self, rng: Random) -> bytes:
        return rng.choice((b"\x16\x03\x01\x02\0", b"GET\r\n\r\n", b"\0" * 50, rng.randbytes(80))) + b"\r\n\r\n"


def write(attack: Attack, folder: Path) -> Path:
    """Keep one that got through, to look at."""
    path = folder / f"{attack.kind}.bin"
    path.write_bytes(attack.raw)
    return path
