"""The page of ``geonav serve``: files of this package and of Leaflet, each under a name from a fixed table.

No part of a request ever becomes a path: what is not in the table does not exist. Leaflet comes from the package
XStatic-Leaflet, so that the page needs no other server.
"""

from __future__ import annotations

import gzip
import hashlib
import html
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from geonav.errors import ConfigError, InputError

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.requests import Request
    from starlette.responses import Response

_KINDS = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_PROGRAMS = (
    "answer", "api", "busy", "choosing", "dom", "evidence", "geo", "keys", "lines", "locate", "map", "marks", "page",
    "prior", "words",
)  # fmt: skip
_OWN = ("icon.svg", "page.css", *(f"{name}.js" for name in _PROGRAMS))
_LEAFLET = ("leaflet.css", "leaflet.js")
_HEADERS = {
    # Asked anew each time, answered from the browser's copy while it is the same.
    "Cache-Control": "no-cache",
    "Vary": "Accept-Encoding",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "strict-origin-when-cross-origin",
}
_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:{tiles}; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Tiles:
    """Pictures of a map that lie under the page's own drawing.

    Attributes:
        url: of a tile, with ``{z}``, ``{x}`` and ``{y}``; ``{s}`` stands for a, b or c. A path on the page's own
            server or an address of ``http`` or ``https``.
        attribution: what their owner wants said of them; text, never HTML.
    """

    url: str
    attribution: str = ""

    @property
    def origin(self) -> str:
        """The server they come from, as a Content-Security-Policy names it; empty for the page's own.

        Raises:
            ConfigError: the address is none of a tile.
        """
        if any(part not in self.url for part in ("{z}", "{x}", "{y}")):
            msg = f"serve.tiles_url is {self.url}: it needs {{z}}, {{x}} and {{y}}, as in https://HOST/{{z}}/{{x}}/{{y}}.png"
            raise ConfigError(msg)
        if re.match(r"/?\{|/?[\w.~-]+/", self.url) and not self.url.startswith("//"):
            return ""
        found = re.match(r"(https?://)((?:\{s\}\.)?[A-Za-z0-9.-]+(?::\d+)?)/", self.url)
        if found is None:
            msg = f"serve.tiles_url is {self.url}: give an address that begins with https://HOST/, or a path"
            raise ConfigError(msg)
        return found[1] + found[2].replace("{s}", "*")


class _File:
    """What is sent under one name."""

    def __init__(self, content: bytes, kind: str, headers: dict[str, str] | None = None) -> None:
        self._content = content
        self._packed = gzip.compress(content, mtime=0)
        tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
        self._headers = {**_HEADERS, **(headers or {}), "Content-Type": kind, "ETag": tag}

    def answer(self, request: Request) -> Response:
        """The file, or that the browser has it already."""
        from starlette.responses import Response

        known = request.headers.get("if-none-match", "")
        if self._headers["ETag"] in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            return Response(status_code=304, headers=self._headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            return Response(self._packed, headers={**self._headers, "Content-Encoding": "gzip"})
        return Response(self._content, headers=self._headers)


def add_page(app: FastAPI, tiles: Tiles | None = None) -> None:
    """Answer ``GET /`` with the page and ``GET /static/NAME`` with the files that it is made of.

    Everything is read now and kept in memory, about 300 kB.

    Args:
        app: gets the two routes; its interface ``/v1`` is what the page asks.
        tiles: of a map to draw on; a grid of metres if left out.

    Raises:
        ConfigError: the tiles' address is none.
        InputError: Leaflet is not installed.
    """
    front, table = _front(tiles), _static_files()

    async def page(request: Request) -> Response:
        return front.answer(request)

    async def static(request: Request) -> Response:
        from starlette.responses import JSONResponse

        found = table.get(request.path_params["name"])
        if found is None:
            return JSONResponse({"error": {"code": "not_found", "message": "the page has no such file"}}, 404)
        return found.answer(request)

    app.add_route("/", page, methods=["GET"], include_in_schema=False)
    app.add_route("/static/{name}", static, methods=["GET"], include_in_schema=False)


def _front(tiles: Tiles | None) -> _File:
    """The page itself, which knows its tiles."""
    text = (files("geonav.serving") / "static" / "index.html").read_text("utf-8")
    known = tiles or Tiles("")
    told = {"tiles_url": html.escape(known.url), "tiles_attribution": html.escape(known.attribution)}
    policy = _POLICY.format(tiles=f" {tiles.origin}" if tiles is not None and tiles.origin else "")
    return _File(Template(text).substitute(told).encode(), _KINDS[".html"], {"Content-Security-Policy": policy})


@cache
def _static_files() -> dict[str, _File]:
    own, leaflet = files("geonav.serving") / "static", _leaflet()
    contents = {name: (own / name).read_bytes() for name in _OWN}
    contents |= {name: (leaflet / name).read_bytes() for name in _LEAFLET}
    return {name: _File(content, _KINDS[Path(name).suffix]) for name, content in contents.items()}


def _leaflet() -> Path:
    """The folder of Leaflet's files."""
    try:
        from xstatic.pkg import leaflet
    except ImportError as error:
        msg = "the page's map needs Leaflet: pip install 'geonav[serve]'"
        raise InputError(msg) from error
    return Path(leaflet.BASE_DIR)
