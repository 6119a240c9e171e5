"""Photos and what was found for them as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from pathlib import Path

from geonav.data.database import Database
from geonav.data.files import atomic_write_bytes
from geonav.pipeline.search import SearchHit, SearchResult

_THUMBNAIL_PX = 240
_STYLE = """
body{font:15px/1.4 system-ui,sans-serif;margin:2rem auto;max-width:80rem;padding:0 1rem;color:#222}
section{display:flex;flex-wrap:wrap;gap:.8rem;border-top:1px solid #ddd;padding:1rem 0}
figure{margin:0;width:240px;overflow-wrap:anywhere}img{max-width:240px;max-height:240px;display:block}
figcaption{font-size:.85em}.near img{outline:4px solid #283}.far img{outline:4px solid #a33}.query{font-weight:600}
.reason{color:#a33}h2{font-size:1.1rem;width:100%;margin:0;overflow-wrap:anywhere}p{width:100%;margin:0}
"""


def write_search_page(path: Path, results: Sequence[SearchResult], database: Database, near_m: float) -> None:
    """Write query and hits as pictures, each hit with its score and, where it is known, its distance.

    Args:
        path: of the HTML file.
        results: what was found.
        database: the references.
        near_m: hits up to this distance are framed as right.

    Raises:
        StorageError: the file cannot be written.
    """
    sections = "".join(_section(result, database, near_m) for result in results)
    page = (
        "<!doctype html><html lang=en><meta charset=utf-8><title>geonav search</title>"
        f"<style>{_STYLE}</style><h1>geonav search</h1>"
        f"<p>Framed green: within {near_m:g} m of the photo. Red: farther. No frame: the distance is not known.</p>"
        f"{sections}</html>"
    )
    atomic_write_bytes(path, page.encode("utf-8", "backslashreplace"))


def _section(result: SearchResult, database: Database, near_m: float) -> str:
    remarks = "".join(f"<p>{html.escape(note)}</p>" for note in result.notes)
    if result.reason is not None:
        remarks += f"<p class=reason>{html.escape(result.reason)}</p>"
    own = f"<figure class=query>{_picture(Path(result.query))}<figcaption>{_position(result)}</figcaption></figure>"
    hits = "".join(_hit(rank, hit, database, near_m) for rank, hit in enumerate(result.hits, start=1))
    return f"<section><h2>{html.escape(result.query)}</h2>{remarks}{own}{hits}</section>"


def _position(result: SearchResult) -> str:
    if result.lat is None or result.lng is None:
        return "position not known"
    source = "the photo's EXIF" if result.position_source == "exif" else "known"
    return f"{result.lat:.6f} {result.lng:.6f} ({source})"


def _hit(rank: int, hit: SearchHit, database: Database, near_m: float) -> str:
    score = f"score {hit.score:.4f}" if hit.num_inliers is None else f"{hit.num_inliers} inliers"
    lines = [f"{rank}. {html.escape(hit.uid)}", f"{score}, similarity {hit.similarity:.4f}"]
    if hit.lat is not None and hit.lng is not None:
        heading = "" if hit.azimuth is None else f", {hit.azimuth:.0f}°"
        lines.append(f"{hit.lat:.6f} {hit.lng:.6f}{heading}")
    frame = ""
    if hit.distance_m is not None:
        lines.append(f"{hit.distance_m:.1f} m away")
        frame = " class=near" if hit.distance_m <= near_m else " class=far"
    picture = _picture(database.path / hit.uid / "image.jpg")
    return f"<figure{frame}>{picture}<figcaption>{'<br>'.join(lines)}</figcaption></figure>"


def _picture(path: Path) -> str:
    """A thumbnail, upright; a word where the file cannot be read."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as photo:
            photo.draft("RGB", (2 * _THUMBNAIL_PX, 2 * _THUMBNAIL_PX))
            upright = ImageOps.exif_transpose(photo)
            upright.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
            buffer = io.BytesIO()
            upright.convert("RGB").save(buffer, "JPEG", quality=80)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return "<p>no picture</p>"
    return f"<img alt='' src='data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}'>"
