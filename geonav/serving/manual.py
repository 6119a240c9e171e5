"""What ``/openapi.json`` says of requests and answers beyond their types."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from geonav.data.results import LocalizationResult
from geonav.serving.asked import Asked
from geonav.serving.refusals import CODES

if TYPE_CHECKING:
    from fastapi import FastAPI

DESCRIPTION = "Locate photos: a photo goes in, the position of its camera on Earth comes out, or why it was refused."
_SAID = {
    400: "photo.jpg cannot be decoded (image file is truncated): copy or download it again",
    401: "this server asks for a key: send it as Authorization: Bearer KEY",
    404: "the database has no such reference",
    408: "the photo did not arrive within 120 s: send it anew",
    413: "the request is larger than the 32 MB allowed: send a smaller copy",
    415: "photo.svg is not a picture that can be read: use JPEG, PNG, TIFF, WebP or HEIC",
    422: "give lat, lng, within_m together: lat alone says no place",
    429: "32 photos are waiting already: try again later",
    500: "something unforeseen went wrong: the server's log says what",
    503: "the server is starting: try again in a moment",
    504: "this photo took longer than the server allows: name a place to search around, or try later",
}
_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {"code": {"type": "string"}, "message": {"type": "string"}},
        }
    },
}
_KEYS = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
}
_REFERENCES = [{"uid": "0007", "score": 0.412, "num_matches": 412, "num_inliers": 301}]
_REFUSED: dict[str, Any] = {
    "query": "photo.jpg", "status": "retrieved_only", "lat": None, "lng": None, "num_inliers": 0,
    "reason": "two places explain the photo equally well", "query_size": [1600, 1200],
    "references": [{**_REFERENCES[0], "num_inliers": 0}],
}  # fmt: skip
_LOCATED: dict[str, Any] = {
    "query": "photo.jpg", "status": "located", "reason": None, "lat": 48.940012, "lng": 8.410034, "alt": 120.31,
    "alt_datum": "wgs84", "azimuth": 37.02, "pitch": 2.1, "roll": -0.2, "azimuth_std_deg": 0.08,
    "position_std_m": {"east": 0.06, "north": 0.04, "up": 0.03},
    "ellipse_95": {"semi_major_m": 0.163, "semi_minor_m": 0.088, "azimuth_deg": 78.0},
    "K_source": "exif_35mm", "num_inliers": 301, "query_size": [1600, 1200], "references": _REFERENCES,
    "matches": [{"uid": "0007", "size": [1600, 1200], "query": [[812.4, 301.9]], "reference": [[640.2, 298.0]],
                 "inlier": [True]}],
}  # fmt: skip


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, each with an example."""
    return {
        status: {
            "description": CODES[status].replace("_", " "),
            "content": {
                "application/json": {
                    "schema": _ERROR,
                    "example": {"error": {"code": CODES[status], "message": _SAID[status]}},
                }
            },
        }
        for status in statuses
    }


def describe_key(app: FastAPI, *, is_needed: bool) -> None:
    """Say in the description how a key is sent, and that it must be where it must."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        schema = plain()
        schema.setdefault("components", {})["securitySchemes"] = _KEYS
        if is_needed:
            schema["security"] = [{name: []} for name in _KEYS]
        return schema

    app.openapi = described  # type: ignore[method-assign]


def _form() -> dict[str, Any]:
    schema = Asked.model_json_schema()
    photo = {"type": "string", "format": "binary", "description": "JPEG, PNG, TIFF, WebP, and HEIC where installed"}
    return {"type": "object", "required": ["photo"], "properties": {"photo": photo, **schema["properties"]}}


def _result() -> dict[str, Any]:
    schema = LocalizationResult.model_json_schema()
    inside = schema.pop("$defs", {})
    inlined: dict[str, Any] = _inlined(schema, inside)
    pair = {"type": "array", "items": {"type": "array", "items": {"type": "number"}}}
    matches = {
        "uid": {"type": "string"}, "size": {"type": "array", "items": {"type": "integer"}}, "query": pair,
        "reference": pair, "inlier": {"type": "array", "items": {"type": "boolean"}},
    }  # fmt: skip
    inlined["properties"]["query_size"] = {"type": "array", "items": {"type": "integer"}}
    inlined["properties"]["matches"] = {"type": "array", "items": {"type": "object", "properties": matches}}
    inlined.pop("additionalProperties", None)
    return inlined


def _inlined(schema: Any, inside: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(schema, list):
        return [_inlined(each, inside) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return _inlined(inside[schema["$ref"].rsplit("/", 1)[-1]], inside)
    return {name: _inlined(each, inside) for name, each in schema.items()}


LOCALIZE: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _form()}}},
    "responses": {
        "200": {
            "description": "Located, or why not",
            "content": {
                "application/json": {
                    "schema": _result(),
                    "examples": {
                        "located": {"summary": "With a pose", "value": _LOCATED},
                        "refused": {"summary": "Without one, and why", "value": _REFUSED},
                    },
                }
            },
        }
    },
}
