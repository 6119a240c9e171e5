"""Photos, what was found for them and what speaks for it, as one HTML file that works from disk, without a network.

Pictures and details of each photo lie in elements of their own, which the page's program reads when they are looked
at: a thousand photos open as fast as one.
"""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from geonav.data.database import Database
from geonav.data.files import atomic_write_bytes
from geonav.errors import GeonavError
from geonav.evaluation.report.outcomes import counted
from geonav.evaluation.report.pictures import Picture, Wanted, pictures
from geonav.evaluation.report.rows import Hit, PagePhoto, Shown, details, hits_of, row
from geonav.evaluation.report.where import Where
from geonav.geometry.geodesy import GeoPoint

# All pictures, as text: 30 MB less what a thousand photos have of rows, details and lines.
_PHOTOS_BYTES, _REFERENCES_BYTES = 13_000_000, 11_500_000
_PHOTO_SIDES_PX, _REFERENCE_SIDES_PX = (96, 1600), (96, 960)
# Fewer bytes than this show nothing: fewer references are shown instead.
_LEAST_BYTES = 4_000
_LINES = 90_000
_PROGRAMS = ("dom.js", "map.js", "detail.js", "page.js", "chart.js")


@dataclass(frozen=True)
class Heading:
    """What stands above the photos.

    Attributes:
        title: of the page.
        remarks: what it is about, a line each.
        sections: HTML between title and map.
        near_m: a reference up to this distance from the truth is a right one; None where there is no truth.
    """

    title: str
    remarks: Sequence[str] = ()
    sections: str = ""
    near_m: float | None = None


def write_page(
    path: Path,
    heading: Heading,
    photos: Sequence[PagePhoto],
    references: Database | None,
    origin: GeoPoint | None = None,
) -> None:
    """Write the page.

    Args:
        path: of the HTML file.
        heading: what stands above the photos.
        photos: in the order they are listed.
        references: the database they were located against; None where it is not at hand, the page then shows no
            pictures of it.
        origin: of the frame that poses are in, where there is no database to ask.

    Raises:
        StorageError: the file cannot be written.
    """
    folder = files("geonav.evaluation.report")
    page = (folder / "page.html").read_text("utf-8")
    parts = {
        "title": html.escape(heading.title),
        "style": (folder / "page.css").read_text("utf-8"),
        "remarks": "".join(f"<p class=soft>{html.escape(remark)}</p>" for remark in heading.remarks),
        "sections": heading.sections,
        "data": _elements(photos, references, (origin, heading.near_m)),
        "program": "".join((folder / name).read_text("utf-8") for name in _PROGRAMS),
    }
    pieces = page.split("{{")
    text = pieces[0] + "".join(parts[name] + rest for name, rest in (piece.split("}}", 1) for piece in pieces[1:]))
    atomic_write_bytes(path, text.encode("utf-8", "backslashreplace"))


def _elements(
    photos: Sequence[PagePhoto], references: Database | None, known: tuple[GeoPoint | None, float | None]
) -> str:
    """The data of the page: one element of all, and one each of the pictures and the details of each photo."""
    retrieved = (each for photo in photos if photo.record is not None for each in photo.record.retrieved)
    where = Where.of(references, retrieved, known[0])
    hits = [hits_of(photo, where, known[1]) for photo in photos]
    shown = _extent(photos)
    told = [details(photo, some, shown) for photo, some in zip(photos, hits, strict=True)]
    wanted = _references_to_show(photos, hits, shown)
    own = pictures([_wanted(photo) for photo in photos], _PHOTOS_BYTES, _PHOTO_SIDES_PX)
    of_references = _pictures_of_references(wanted, references)
    rows = [{**row(photo), "w": picture.w, "h": picture.h} for photo, picture in zip(photos, own, strict=True)]
    data = {
        "photos": rows,
        "kinds": [
            {"key": kind.key, "label": kind.label, "tone": kind.tone, "meaning": kind.meaning, "count": count}
            for kind, count in counted([one["kind"] for one in rows])
        ],
        "references": [_reference(uid, of_references.get(uid), where) for uid in shown.number_of],
        "near_m": known[1],
        "spots": where.spots(),
    }
    parts = [_json_element("data", data)]
    parts += [_json_element(f"d{number}", detail) for number, detail in enumerate(told)]
    parts += [_picture_element(f"p{number}", picture) for number, picture in enumerate(own)]
    parts += [
        _picture_element(f"r{number}", of_references[uid])
        for uid, number in shown.number_of.items()
        if uid in of_references
    ]
    return "\n".join(part for part in parts if part)


def _json_element(name: str, value: object) -> str:
    text = json.dumps(value, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f"<script type=application/json id={name}>{text}</script>"


def _picture_element(name: str, picture: Picture) -> str:
    return "" if picture.src is None else f"<script type=text/plain id={name}>{picture.src}</script>"


def _extent(photos: Sequence[PagePhoto]) -> Shown:
    """Of few photos much, of many little."""
    num_pairs = int(np.clip(200 / max(1, len(photos)), 1, 5))
    return Shown(num_pairs, int(np.clip(_LINES / max(1, len(photos) * num_pairs), 10, 300)))


def _references_to_show(photos: Sequence[PagePhoto], hits: Sequence[Sequence[Hit]], shown: Shown) -> list[str]:
    """Those whose matches are drawn or that should have been found, then as many of the best hits as have room."""
    drawn = [each.uid for photo in photos for each in photo.evidence[: shown.num_pairs]]
    missed = [hit.uid for some in hits for hit in some if hit.similarity is None]
    most = _REFERENCES_BYTES // _LEAST_BYTES
    chosen = list(dict.fromkeys([*drawn, *missed]))
    for rank in range(max(map(len, hits), default=0)):
        further = [some[rank].uid for some in hits if rank < len(some)]
        together = list(dict.fromkeys([*chosen, *further]))
        if len(together) > most:
            break
        chosen = together
    return chosen


def _wanted(photo: PagePhoto) -> Wanted:
    """A photo and the size it had when it was located: twice its principal point, nearly."""
    matrix = photo.result.K
    size = (4, 3) if matrix is None else (round(2 * matrix[0][2]), round(2 * matrix[1][2]))
    return Wanted(Path(photo.path), size)


def _pictures_of_references(uids: Sequence[str], references: Database | None) -> dict[str, Picture]:
    if references is None:
        return {}
    wanted = {}
    for uid in uids:
        try:
            metadata = references.metadata(uid)
            wanted[uid] = Wanted(references.image_path(uid), (metadata.w, metadata.h))
        except GeonavError:
            continue  # `geonav database check` is who speaks of broken entries
    found = pictures(list(wanted.values()), _REFERENCES_BYTES, _REFERENCE_SIDES_PX)
    return dict(zip(wanted, found, strict=True))


def _reference(uid: str, picture: Picture | None, where: Where) -> dict[str, Any]:
    found: dict[str, Any] = {"uid": uid}
    if picture is not None:
        found |= {"w": picture.w, "h": picture.h}
    at = where.in_plan(uid)
    return found if at is None else {**found, "at": at}
