"""A server with the interface that the page asks, whose answers a test lays out beforehand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from geonav.serving.page import Tiles, add_page
from tests.evaluation.report.made import noise

ORIGIN = (48.94, 8.41)
SIZE = (320, 240)


def refused(status: int, message: str, retry_after_s: int | None = None) -> Response:
    """An error as the interface words it."""
    headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
    return JSONResponse({"error": {"code": "made", "message": message}}, status, headers)


def place(number: int) -> dict[str, Any]:
    """Where the stand-in's references stand: in a row to the east, looking north."""
    return {
        "lat": ORIGIN[0] - 0.0001, "lng": ORIGIN[1] + 0.0001 * number, "azimuth": 20.0 * number - 20.0,
        "provider": "mapillary", "captured_at": "2024-05-02", "attribution": "Jo, CC BY-SA 4.0",
    }  # fmt: skip


def _matches(uid: str, number: int, agreeing: int) -> dict[str, Any]:
    pixels = np.random.default_rng(number).uniform((0, 0), SIZE, (number, 2)).round(1)
    moved = np.clip(pixels * 0.9 + 12, 0, SIZE).round(1)
    inlier = [i < agreeing for i in range(number)]
    return {"uid": uid, "size": list(SIZE), "query": pixels.tolist(), "reference": moved.tolist(), "inlier": inlier}


def located(uids: tuple[str, ...] = ("r0", "r1", "r2")) -> dict[str, Any]:
    """A result with a pose."""
    counts = [(60 - 10 * i, 45 - 12 * i) for i in range(len(uids))]
    used = [
        {"uid": uid, "score": 0.9 - 0.1 * i, "num_matches": counts[i][0], "num_inliers": counts[i][1]}
        for i, uid in enumerate(uids)
    ]
    return {
        "query": "photo.jpg", "status": "located", "reason": None, "lat": ORIGIN[0], "lng": ORIGIN[1], "alt": 120.104,
        "alt_datum": "wgs84", "azimuth": 37.02, "azimuth_std_deg": 0.4, "pitch": 2.1, "roll": -0.2,
        "K": [[300.0, 0.0, 160.0], [0.0, 300.0, 120.0], [0.0, 0.0, 1.0]], "K_source": "exif_35mm",
        "position_std_m": {"east": 0.06, "north": 0.04, "up": 0.03},
        "ellipse_95": {"semi_major_m": 0.163, "semi_minor_m": 0.088, "azimuth_deg": 78.0},
        "num_inliers": 88, "references": used,
        "notes": ["focal length was solved with the pose"], "seconds": {"features": 1.2, "matching": 2.9},
        "geonav_version": "1.7", "query_size": list(SIZE),
        "matches": [_matches(uid, *counts[i]) for i, uid in enumerate(uids)],
    }  # fmt: skip


def not_located(status: str = "retrieved_only") -> dict[str, Any]:
    """A result without one: nothing agrees."""
    pose = ("lat", "lng", "alt", "azimuth", "azimuth_std_deg", "pitch", "roll", "K", "position_std_m", "ellipse_95")
    result = located() | dict.fromkeys(pose) | {"status": status, "reason": "two places explain the photo equally well"}
    result["references"] = [{**each, "num_inliers": 0} for each in result["references"]]
    result["matches"] = [{**each, "inlier": [False] * len(each["inlier"])} for each in result["matches"]]
    return result | {"num_inliers": 0, "notes": []}


@dataclass
class StandIn:
    """What the server answers, and what it was asked.

    Attributes:
        answers: of ``POST /v1/localize``, one a call; the last one stays. A result, or a response.
        delay_s: before each of them.
        key: that is wanted; None for none.
        picture: a reference's picture by its name.
        places: of references, by name.
        asked: the forms that came.
        paths: of all requests.
    """

    answers: list[dict[str, Any] | Response] = field(default_factory=lambda: [located()])
    delay_s: float = 0.0
    key: str | None = None
    picture: Callable[[str], bytes] = lambda uid: noise(sum(uid.encode()))
    places: dict[str, dict[str, Any]] = field(default_factory=lambda: {f"r{i}": place(i) for i in range(3)})
    asked: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    cut_off: int = 0
    tiles: Tiles | None = None
    url: str = ""
    about: dict[str, Any] = field(
        default_factory=lambda: {
            "name": "street", "count": 3, "attribution": ["Jo, CC BY-SA 4.0"],
            "bounds": {"south": 48.9395, "west": 8.4092, "north": 48.9405, "east": 8.4108},
        }
    )  # fmt: skip

    def app(self, *more: tuple[str, Callable[..., Any]]) -> ASGIApp:
        """The server itself; `more` are routes beside its own."""
        app = FastAPI()
        app.add_api_route("/v1/database", lambda: self.about)
        app.add_api_route("/v1/localize", self._localize, methods=["POST"])
        app.add_api_route("/v1/references/{uid}", self._reference)
        app.add_api_route("/v1/references/{uid}/image", self._image)
        for path, endpoint in more:
            app.add_api_route(path, endpoint)
        add_page(app, self.tiles)
        return self._watched(app)

    def _watched(self, app: FastAPI) -> ASGIApp:
        async def call(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            self.paths.append(scope["path"])
            given = dict(scope["headers"]).get(b"authorization", b"").decode()
            wanted = self.key is not None and scope["path"].startswith("/v1/")
            refuses = wanted and given != f"Bearer {self.key}"
            await (refused(401, "a key is needed") if refuses else app)(scope, receive, send)

        return call

    async def _localize(self, request: Request) -> Any:
        async with request.form() as form:
            told = {name: value for name, value in form.items() if isinstance(value, str)}
            photo = form["photo"]
            assert not isinstance(photo, str)
            self.asked.append({**told, "name": photo.filename, "bytes": len(await photo.read())})
        until = asyncio.get_running_loop().time() + self.delay_s
        while asyncio.get_running_loop().time() < until:
            if await request.is_disconnected():
                self.cut_off += 1
                break
            await asyncio.sleep(0.02)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    def _image(self, uid: str) -> Response:
        return Response(self.picture(uid), media_type="image/jpeg")

    def _reference(self, uid: str) -> Any:
        return self.places.get(uid) or refused(404, "no such reference")


@contextmanager
def serving(app: Any, port: int = 0) -> Iterator[str]:
    """Run a server in a thread; gives its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="on"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        assert thread.is_alive(), "the server did not start"
        thread.join(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
