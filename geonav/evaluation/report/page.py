"""Located photos as one HTML file: works from disk, without a network, with a thousand photos."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geonav.data.database import Database
from geonav.data.files import atomic_write_bytes
from geonav.data.results import LocalizationResult
from geonav.errors import GeonavError
from geonav.evaluation.report.curves import curves
from geonav.geometry.pose import camera_center, rotation_error_deg
from geonav.pipeline.view_matches import ViewMatches

# All pictures together, as text; what remains of 30 MB is for lines and figures.
_PICTURES_BYTES = 18_000_000
_LINES = 60_000
_SIDES_PX = (120, 720)
_SHELL = """<!doctype html><html lang=en><head><meta charset=utf-8>
<meta name=viewport content="width=device-width,initial-scale=1">
<meta http-equiv=Content-Security-Policy content="default-src 'none';img-src data:;style-src 'unsafe-inline';\
script-src 'unsafe-inline'"><title>{title}</title><style>{style}</style></head><body><main><h1>{title}</h1>
{summary}{curves}<section id=place><h2>Map</h2><p class=soft>North is up. Grey: references. Green: true positions, red
where the photo was not located. Blue: positions found, with the ellipse that holds the truth in 95 %.</p>
<div class=controls><button type=button id=nearer>Zoom in</button><button type=button id=farther>Zoom out</button>
<button type=button id=whole>Show all</button></div><svg id=map role=img aria-label="map of the photos"></svg></section>
<section><h2>Photos</h2><div class=controls><label>Find <input id=find type=search></label>
<label>Show <select id=status><option value="">all<option value=located>located<option value=retrieved_only>retrieved
only<option value=not_located>not located</select></label><span id=count aria-live=polite></span></div>
<div class=scroll tabindex=0><table><thead><tr>{heads}</tr></thead><tbody id=rows></tbody></table></div></section>
<section id=detail aria-live=polite></section></main>
<script type=application/json id=data>{data}</script><script>{script}</script></body></html>"""
_HEADS = (
    ("name", "photo"), ("status", "outcome"), ("error_m", "error m"), ("error_deg", "error °"),
    ("semi_major_m", "95 % m"), ("total_s", "seconds"),
)  # fmt: skip


@dataclass(frozen=True)
class PagePhoto:
    """One photo on the page.

    Attributes:
        result: what locating it gave.
        evidence: matches of the references that were used, best first.
        truth: its true ``E`` (4, 4) in the references' frame, where it is known.
    """

    result: LocalizationResult
    evidence: Sequence[ViewMatches] = ()
    truth: NDArray[np.float64] | None = None


def write_page(
    path: Path, title: str, photos: Sequence[PagePhoto], references: Database, summary: dict[str, Any] | None = None
) -> None:
    """Write the page.

    Args:
        path: of the HTML file.
        title: shown on top.
        photos: in the order they are listed.
        references: the database they were located against.
        summary: figures of the whole.

    Raises:
        StorageError: the file cannot be written.
    """
    folder = files("geonav.evaluation.report")
    data = json.dumps(_data(photos, references), separators=(",", ":")).replace("<", "\\u003c")
    found = [(photo.result, photo.truth) for photo in photos if photo.truth is not None]
    page = _SHELL.format(
        title=html.escape(title),
        style=(folder / "page.css").read_text("utf-8"),
        script=(folder / "page.js").read_text("utf-8"),
        summary=_summary(summary or {}),
        curves=curves(found),
        heads="".join(f"<th scope=col><button type=button data-key={key}>{name}</button>" for key, name in _HEADS),
        data=data,
    )
    atomic_write_bytes(path, page.encode("utf-8", "backslashreplace"))


def _summary(summary: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th scope=row>{html.escape(name)}<td>{html.escape('none' if value is None else str(value))}</tr>"
        for name, value in summary.items()
    )
    return f"<h2>Summary</h2><div class=scroll tabindex=0><table>{rows}</table></div>" if rows else ""


def _data(photos: Sequence[PagePhoto], references: Database) -> dict[str, Any]:
    shown = 3 if len(photos) <= 100 else 1
    thumbnails = max(1, len(photos) * (1 + shown))
    side = int(np.clip(720 * (20 / max(1, len(photos))) ** 0.5, *_SIDES_PX))
    limits = side, _PICTURES_BYTES // thumbnails * 3 // 4
    num_lines = max(10, min(200, _LINES // thumbnails))
    used: dict[str, dict[str, Any]] = {}
    rows = [_photo(photo, photo.evidence[:shown], num_lines, limits) for photo in photos]
    for uid in dict.fromkeys(each.uid for photo in photos for each in photo.evidence[:shown]):
        used[uid] = _thumbnail(references.path / uid / "image.jpg", limits, _size_of(references, uid))
    return {"photos": rows, "references": used, "places": _places(references)}


def _size_of(references: Database, uid: str) -> tuple[int, int]:
    metadata = references.metadata(uid)
    return metadata.w, metadata.h


def _places(references: Database) -> list[list[float]]:
    found = []
    for uid in references.uids():
        try:
            pose = references.metadata(uid).pose
        except GeonavError:
            continue  # `geonav database check` is who speaks of broken entries
        if pose is not None:
            found.append(camera_center(pose)[:2])
    return [] if not found else np.unique(np.round(found, 1), axis=0).tolist()


def _photo(photo: PagePhoto, shown: Sequence[ViewMatches], num_lines: int, limits: tuple[int, int]) -> dict[str, Any]:
    result, ellipse = photo.result, photo.result.ellipse_95
    pose = None if result.E is None else np.array(result.E)
    position = None
    if result.lat is not None and result.lng is not None and result.azimuth is not None:
        position = f"{result.lat:.7f} {result.lng:.7f}, looking {result.azimuth:.1f}° from north"
    errors: tuple[float | None, float | None] = (None, None)
    if pose is not None and photo.truth is not None:
        metres = float(np.linalg.norm(camera_center(pose) - camera_center(photo.truth)))
        errors = metres, rotation_error_deg(pose[:3, :3], photo.truth[:3, :3])
    return {
        "name": result.query,
        "status": result.status,
        "reason": result.reason,
        "position": position,
        "error_m": errors[0],
        "error_deg": errors[1],
        "ellipse": ellipse and [ellipse.semi_major_m, ellipse.semi_minor_m, ellipse.azimuth_deg],
        "semi_major_m": ellipse and ellipse.semi_major_m,
        "estimate": None if pose is None else camera_center(pose)[:2].round(3).tolist(),
        "truth": None if photo.truth is None else camera_center(photo.truth)[:2].round(3).tolist(),
        "total_s": sum(result.seconds.values()) if result.seconds else None,
        "seconds": result.seconds,
        "notes": result.notes,
        "retrieved": [[r.uid, f"{r.score:.4f}", r.num_matches, r.num_inliers] for r in result.references],
        "lines": [_lines(each, num_lines) for each in shown],
        **_thumbnail(Path(result.query), limits),
    }


def _lines(evidence: ViewMatches, most: int) -> dict[str, Any]:
    """At most so many, spread evenly over both kinds."""
    order = np.argsort(~evidence.inlier, kind="stable")
    kept = order[np.linspace(0, len(order) - 1, min(most, len(order))).astype(int)]
    ends = np.hstack([evidence.query_pixels, evidence.reference_pixels])[kept]
    return {
        "uid": evidence.uid,
        "num_matches": len(evidence.inlier),
        "num_inliers": int(evidence.inlier.sum()),
        "ends": ends.round().astype(int).tolist(),
        "inlier": evidence.inlier[kept].astype(int).tolist(),
    }


def _thumbnail(path: Path, limits: tuple[int, int], size: tuple[int, int] = (4, 3)) -> dict[str, Any]:
    """The picture, upright, with its width and height in full; without source where it cannot be read."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as photo:
            turned = photo.getexif().get(0x0112, 1) >= 5
            width, height = photo.size[::-1] if turned else photo.size
            photo.draft("RGB", (limits[0], limits[0]))
            small = ImageOps.exif_transpose(photo).convert("RGB")
            small.thumbnail((limits[0], limits[0]))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return {"src": None, "w": size[0], "h": size[1]}
    for quality in (80, 60, 40, 20):
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= limits[1]:
            break
    text = base64.b64encode(buffer.getvalue()).decode()
    return {"src": f"data:image/jpeg;base64,{text}", "w": width, "h": height}
