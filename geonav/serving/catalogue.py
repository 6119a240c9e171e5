"""What is said of the database and its references: nothing that a server must keep to itself."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from functools import cached_property
from typing import Any

import numpy as np
import PIL.Image

from geonav.data.images import read_image
from geonav.data.map_store import MapStore
from geonav.errors import GeonavError
from geonav.pipeline.localize import Localizer
from geonav.serving.refusals import RefusedError

_PICTURE_BYTES = 64 << 20
_QUALITY = 85
# Entries whose credits are looked at: a database has as many sources as one can name.
_CREDITED = 200


class Catalogue:
    """Answers questions about the references of one database."""

    def __init__(self, localizer: Localizer) -> None:
        """Of the database that ``localizer`` asks."""
        self._database = localizer.database
        self.localizer = localizer
        self._pictures: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._bytes = 0

    @property
    def name(self) -> str:
        """Of the database: its folder's."""
        return self._database.path.resolve().name

    @cached_property
    def about(self) -> dict[str, Any]:
        """The database as a whole."""
        places = self.localizer.places
        lat, lng = places.lat[np.isfinite(places.lat)], places.lng[np.isfinite(places.lng)]
        where: dict[str, Any] = {"bounds": None, "centre": None}
        if len(lat) and len(lng):
            south, north, west, east = (float(value) for value in (lat.min(), lat.max(), lng.min(), lng.max()))
            where["bounds"] = {"south": south, "west": west, "north": north, "east": east}
            where["centre"] = {"lat": (south + north) / 2, "lng": (west + east) / 2}
        return {
            "name": self.name,
            "count": len(self._database),
            **where,
            "model": self.localizer.config.local.model,
            "descriptor": self.localizer.place.descriptor.name,
            "index": self.localizer.place.index.kind,
            "map_parts": len(MapStore(self._database).part_ids()),
            "attribution": self._credits(),
        }

    def _credits(self) -> list[str]:
        uids = self.localizer.places.uids
        found: dict[str, None] = {}
        for uid in uids[:: max(1, len(uids) // _CREDITED)]:
            credit = _credit(self._metadata(uid))
            if credit:
                found[credit] = None
        return list(found)

    def _check(self, uid: str) -> None:
        if uid not in self._database:
            raise RefusedError(404, "the database has no such reference")

    def _metadata(self, uid: str) -> dict[str, Any]:
        try:
            return self._database.metadata(uid).to_json()
        except GeonavError:
            return {}

    def reference(self, uid: str) -> dict[str, Any]:
        """Where a reference was taken, when and by whom.

        Raises:
            RefusedError: there is none.
        """
        self._check(uid)
        known = self._metadata(uid)
        same = ("w", "h", "lat", "lng", "alt", "alt_datum", "provider", "captured_at", "licence")
        said = {name: known.get(name) for name in same}
        return {"uid": uid, **said, "azimuth": known.get("azn"), "attribution": _credit(known)}

    def picture(self, uid: str, max_side: int) -> bytes:
        """A reference's picture as a JPEG, no side longer than ``max_side`` pixels.

        Raises:
            RefusedError: there is none.
        """
        self._check(uid)
        key = uid, max_side
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
                return self._pictures[key]
        try:
            content = self._shrunk(uid, max_side)
        except GeonavError as error:
            raise RefusedError(404, "the picture of this reference cannot be read") from error
        self._keep(key, content)
        return content

    def _shrunk(self, uid: str, max_side: int) -> bytes:
        image = PIL.Image.fromarray(read_image(self._database.image_path(uid), least_side_px=max_side).pixels)
        image.thumbnail((max_side, max_side))
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=_QUALITY)
        return stream.getvalue()

    def _keep(self, key: tuple[str, int], content: bytes) -> None:
        with self._lock:
            if key in self._pictures:
                return
            self._pictures[key] = content
            self._bytes += len(content)
            while self._bytes > _PICTURE_BYTES:
                self._bytes -= len(self._pictures.popitem(last=False)[1])

    def public(self, result: dict[str, Any]) -> dict[str, Any]:
        """A result without the server's folders."""
        hidden = {str(self._database.path), str(self._database.path.resolve())}
        cleaned: dict[str, Any] = _without(result, sorted(hidden, key=len, reverse=True), self.name)
        return cleaned

    def size(self, uid: str) -> list[int]:
        """Width and height of a reference in pixels."""
        metadata = self._database.metadata(uid)
        return [metadata.w, metadata.h]


def _credit(metadata: dict[str, Any]) -> str | None:
    """Whom to credit, and under which licence."""
    parts = [metadata.get("attribution"), metadata.get("licence")]
    whole = ", ".join(str(part) for part in parts if part)
    return whole or None


def _without(value: Any, hidden: list[str], name: str) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, str):
        for path in hidden:
            value = value.replace(path, name) if path not in {"", ".", "/"} else value
        return name if value in {".", "/"} else value
    if isinstance(value, list):
        return [_without(each, hidden, name) for each in value]
    if isinstance(value, dict):
        return {key: _without(each, hidden, name) for key, each in value.items()}
    return value
