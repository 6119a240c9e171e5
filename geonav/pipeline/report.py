"""An evaluation as one HTML file that needs nothing else: figures, a plan of the place, and every photo."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path

import numpy as np

from geonav.data.database import Database
from geonav.data.files import atomic_write_bytes
from geonav.data.results import LocalizationResult
from geonav.errors import ImageError
from geonav.geometry.pose import camera_center
from geonav.pipeline.evaluate import EvaluationReport, PhotoEvaluation

_THUMBNAIL_PX = 220
_PLAN_PX = 640
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:60rem;padding:0 1rem;color:#222}
table{border-collapse:collapse;width:100%}td,th{padding:.3rem .6rem;border-bottom:1px solid #ddd;text-align:left}
img{max-width:220px;max-height:165px;display:block}.refused{color:#a33}svg{border:1px solid #ddd;width:100%}
"""


def write_report(path: Path, report: EvaluationReport, queries: Database, references: Database) -> None:
    """Write the report of an evaluation.

    Args:
        path: of the HTML file.
        report: what was found.
        queries: the photos and their true poses.
        references: what they were located against.

    Raises:
        StorageError: the file cannot be written.
    """
    rows = "".join(
        _row(photo, result, queries, references) for photo, result in zip(report.photos, report.results, strict=True)
    )
    page = (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(report.name)}</title>"
        f"<style>{_STYLE}</style><h1>{html.escape(report.name)}</h1>{_summary(report)}"
        f"<h2>Plan</h2>{_plan(report, queries, references)}"
        "<p>Grey: references. Circles: true positions. Lines lead to the positions found, drawn ten times as long.</p>"
        "<h2>Photos</h2><table><tr><th>photo<th>best reference<th>outcome<th>position error<th>rotation error"
        f"<th>95 % ellipse</tr>{rows}</table></html>"
    )
    atomic_write_bytes(path, page.encode())


def _summary(report: EvaluationReport) -> str:
    cells = "".join(
        f"<tr><td>{html.escape(name)}<td>{'none' if value is None else value}</tr>"
        for name, value in report.summary.items()
    )
    return f"<table>{cells}</table>"


def _row(photo: PhotoEvaluation, result: LocalizationResult, queries: Database, references: Database) -> str:
    best = max(result.references, key=lambda reference: reference.num_inliers or 0, default=None)
    pictures = [_picture(queries, photo.query), "" if best is None else _picture(references, best.uid)]
    if photo.position_error_m is None:
        figures = f"<td class=refused colspan=4>{html.escape(photo.status)}: {html.escape(photo.reason or '')}"
    else:
        figures = (
            f"<td>{photo.status}<td>{photo.position_error_m:.3f} m<td>{photo.rotation_error_deg:.3f}°"
            f"<td>{photo.semi_major_m:.3f} m, {'holds' if photo.in_ellipse else 'misses'} the truth"
        )
    return f"<tr><td>{pictures[0]}{html.escape(photo.query)}<td>{pictures[1]}{figures}</tr>"


def _picture(database: Database, uid: str) -> str:
    from PIL import Image

    try:
        with Image.open(database.image_path(uid)) as photo:
            photo.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
            buffer = io.BytesIO()
            photo.convert("RGB").save(buffer, "JPEG", quality=80)
    except (OSError, ImageError):
        return ""
    return f"<img alt='' src='data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}'>"


def _plan(report: EvaluationReport, queries: Database, references: Database) -> str:
    """North is up; one unit is a metre."""
    poses = (references.metadata(uid).pose for uid in references.uids())
    grey = np.array([camera_center(pose)[:2] for pose in poses if pose is not None]).reshape(-1, 2)
    truth_from_world = queries.frame.rigid_from(references.frame)
    truths, lines = [], []
    for photo, result in zip(report.photos, report.results, strict=True):
        pose = queries.metadata(photo.query).pose
        if pose is None:
            continue
        true = camera_center(pose @ truth_from_world)[:2]
        truths.append((photo, true))
        if result.E is not None:
            lines.append((true, camera_center(np.array(result.E))[:2]))
    every = np.concatenate([grey, [true for _, true in truths]]) if truths else grey
    if not len(every):
        return ""
    (west, south), (east, north) = every.min(0) - 5, every.max(0) + 5
    unit = max(east - west, north - south) / _PLAN_PX
    marks = [
        f"<circle cx={x:.2f} cy={-y:.2f} r={2 * unit:.3f} fill=#bbb />" for x, y in np.unique(grey.round(2), axis=0)
    ]
    for photo, (x, y) in truths:
        colour = "#a33" if photo.position_error_m is None else "#283"
        title = f"<title>{html.escape(photo.query)}</title>"
        marks.append(f"<circle cx={x:.2f} cy={-y:.2f} r={5 * unit:.3f} fill={colour}>{title}</circle>")
    for true, found in lines:
        x, y = true + 10 * (found - true)
        line = f"<line x1={true[0]:.2f} y1={-true[1]:.2f} x2={x:.2f} y2={-y:.2f} stroke=#283 stroke-width={unit:.3f} />"
        marks.append(line)
    box = f"{west:.2f} {-north:.2f} {east - west:.2f} {north - south:.2f}"
    return f"<svg viewBox='{box}' style='max-height:{_PLAN_PX}px'>{''.join(marks)}</svg>"
