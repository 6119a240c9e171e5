"""The routes of ``geonav serve``."""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Annotated, Any

from geonav import __version__
from geonav.errors import GeonavError, InputError
from geonav.serving.localizing import localize
from geonav.serving.manual import DESCRIPTION, LOCALIZE, describe_key, errors
from geonav.serving.page import Tiles, add_page
from geonav.serving.refusals import RefusedError
from geonav.serving.shield import Shield

if TYPE_CHECKING:
    from fastapi import FastAPI
    from starlette.types import ASGIApp

    from geonav.serving.service import Service

logger = logging.getLogger(__name__)

_KEPT = {"Cache-Control": "private, max-age=3600"}


def build_app(service: Service) -> ASGIApp:
    """The whole application.

    Raises:
        InputError: the extra is not installed.
    """
    try:
        from fastapi import FastAPI
    except ImportError as error:
        msg = "serving needs FastAPI: pip install 'geonav[serve]'"
        raise InputError(msg) from error
    app = FastAPI(
        title="geonav",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    _add_refusals(app)
    _add_localize(app, service)
    _add_questions(app, service)
    describe_key(app, is_needed=service.settings.api_key is not None)
    settings = service.settings
    add_page(app, Tiles(settings.tiles_url, settings.tiles_attribution) if settings.tiles_url else None)
    shielded: ASGIApp = Shield(app, service)
    if settings.cors_origins:
        from starlette.middleware.cors import CORSMiddleware

        return CORSMiddleware(
            shielded,
            allow_origins=settings.cors_origins,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization", "X-API-Key"),
            expose_headers=("Retry-After",),
        )
    return shielded


def _add_refusals(app: FastAPI) -> None:
    from fastapi.exceptions import RequestValidationError
    from starlette.exceptions import HTTPException
    from starlette.requests import ClientDisconnect, Request
    from starlette.responses import Response

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, RefusedError)  # noqa: S101 - what it is registered for
        return error.answer()

    async def http(_: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        told = {404: "there is nothing here: see /openapi.json", 405: "this is asked with another method"}
        return RefusedError(status if status in told else 400, told.get(status, "the request cannot be read")).answer()

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101
        first = error.errors()[0]
        return RefusedError(422, f"{first['loc'][-1]}: {first['msg']}"[:300]).answer()

    async def broken(_: Request, error: Exception) -> Response:
        logger.error("a request failed: %s", error)
        return RefusedError(500, "something the server needs cannot be read or written: its log says what").answer()

    async def gone(_: Request, __: Exception) -> Response:
        return Response(status_code=499)  # nobody reads it; it is how such requests are counted

    async def unforeseen(_: Request, __: Exception) -> Response:
        return RefusedError(500, "something unforeseen went wrong: the server's log says what").answer()

    app.add_exception_handler(RefusedError, refused)
    app.add_exception_handler(GeonavError, broken)
    app.add_exception_handler(HTTPException, http)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(ClientDisconnect, gone)
    app.add_exception_handler(Exception, unforeseen)


def _add_localize(app: FastAPI, service: Service) -> None:
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response

    async def endpoint(request: Request) -> Response:
        return JSONResponse(await localize(request, service))

    endpoint.__annotations__ = {"request": Request, "return": Response}
    app.add_api_route(
        "/v1/localize", endpoint, methods=["POST"], summary="Locate a photo", openapi_extra=LOCALIZE,
        responses=errors(400, 401, 408, 413, 415, 422, 429, 500, 503, 504), response_class=JSONResponse,
    )  # fmt: skip


def _add_questions(app: FastAPI, service: Service) -> None:
    from fastapi import Query
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response

    async def health() -> Response:
        state = service.state
        return JSONResponse({"status": state, "version": __version__}, 200 if state == "ready" else 503)

    async def database() -> Any:  # noqa: ANN401 - JSON
        return await service.aside(lambda: service.catalogue.about)

    async def reference(uid: str) -> Any:  # noqa: ANN401 - JSON
        return JSONResponse(await service.aside(service.catalogue.reference, uid), headers=_KEPT)

    async def image(request: Request, uid: str, max_side: int) -> Response:
        content = await service.aside(service.catalogue.picture, uid, max_side)
        tag = f'"{hashlib.sha256(content).hexdigest()[:24]}"'
        headers = {**_KEPT, "ETag": tag}
        if tag in (known.strip() for known in request.headers.get("if-none-match", "").split(",")):
            return Response(status_code=304, headers=headers)
        return Response(content, media_type="image/jpeg", headers=headers)

    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    health.__annotations__ = metrics.__annotations__ = {"return": Response}
    image.__annotations__ = {
        "request": Request,
        "uid": str,
        "max_side": Annotated[int, Query(ge=16, le=4096, description="longer side in pixels, at most")],
        "return": Response,
    }
    image.__defaults__ = (1024,)
    for path, endpoint, summary, codes in (
        ("/v1/health", health, "Are photos taken", (503,)),
        ("/v1/database", database, "What photos are located against", (401, 503)),
        ("/v1/references/{uid}", reference, "Where a reference was taken", (401, 404, 503)),
        ("/v1/references/{uid}/image", image, "The picture of a reference", (401, 404, 422, 503)),
        ("/metrics", metrics, "Numbers for Prometheus", (401,)),
    ):
        app.add_api_route(path, endpoint, methods=["GET"], summary=summary, responses=errors(*codes))
