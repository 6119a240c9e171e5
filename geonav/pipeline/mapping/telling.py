"""The report of one part: its references against what their sources said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from geonav.data.map_store import MapPart
from geonav.geometry.geodesy import LocalFrame
from geonav.geometry.orientation import angles_from_rotation
from geonav.geometry.pose import camera_center
from geonav.pipeline.mapping.parts import connected
from geonav.pipeline.mapping.pieces import links_within
from geonav.pipeline.mapping.report import LinkReport, PartReport, SequenceReport, ViewReport
from geonav.pipeline.mapping.views import MapView

Array = NDArray[np.float64]
# Beyond so many standard deviations a source's word is not noise. Chance does it to one in a million.
_SUSPECT_SIGMAS = 5.0
# Two references that share fewer points than this do not hold each other.
_MIN_SHARED = 10
_LINE_RATIO = 0.05
_WEAK_TILT_DEG = 1.0
_TRUSTED_TILT_DEG = 3.0


def part_report(part_id: str, part: MapPart, views: Mapping[str, MapView], frame: LocalFrame) -> PartReport:
    """What is to be told of a part."""
    shared = {pair: count for pair, count in links_within(part).items() if count >= _MIN_SHARED}
    degree: Counter[int] = Counter(row for pair in shared for row in pair)
    offsets = {drive["name"]: np.array(drive["offset_m"]) for drive in part.facts.get("drives", [])}
    rows = [_view_report(part, row, views[uid], frame, degree[row], offsets) for row, uid in enumerate(part.uids)]
    weak = [
        LinkReport(first=part.uids[a], second=part.uids[b], num_matches=shared[a, b])
        for a, b in sorted(_bridges(part, shared))
    ]
    moved = [np.linalg.norm([value for value in row.moved_m if value is not None]) for row in rows]
    return PartReport(
        part=part_id,
        num_views=len(rows),
        num_points=len(part.points),
        num_observations=len(part.point),
        residual_px=round(float(np.median(part.errors_px)), 3),
        median_moved_m=round(float(np.median(moved)), 3),
        weak_tilt_deg=round(float(part.facts.get("weak_tilt_deg", 0.0)), 3),
        notes=_notes(part, views),
        views=rows,
        sequences=_sequences(part, views),
        weak_links=weak,
    )


def _view_report(
    part: MapPart, row: int, view: MapView, frame: LocalFrame, num_links: int, offsets: Mapping[str, Array]
) -> ViewReport:
    pose, covariance = part.poses[row], part.covariance_of([row])
    center = camera_center(pose)
    lat, lng, _ = frame.geo_from_enu(center)
    moved = center - view.position_m
    known = np.isfinite(view.position_m) & np.isfinite(view.position_std_m)
    stds = np.where(known, np.maximum(view.position_std_m, 1e-4), 1.0)
    apart = np.where(known, moved - offsets.get(view.sequence, np.zeros(3)), 0.0) / stds
    position = float(np.linalg.norm(apart)) / np.sqrt(max(known.sum(), 1) / 3)
    turn = pose[:3, :3].T @ view.rotation
    heading = float(np.degrees(np.arctan2(turn[1, 0] - turn[0, 1], turn[0, 0] + turn[1, 1])))
    has_heading = bool(np.isfinite(view.heading_std_deg))
    tilt = float(np.degrees(np.arccos(np.clip(pose[:3, 2] @ view.rotation[:, 2], -1.0, 1.0))))
    sigmas = {
        "position": position,
        "heading": abs(heading) / max(view.heading_std_deg, 1e-3) if has_heading else 0.0,
        "tilt": tilt / max(*view.tilt_std_deg, 1e-3),
    }
    wrong = [name for name, value in sigmas.items() if value > _SUSPECT_SIGMAS]
    own = part.view == row
    deviations = np.sqrt(np.maximum(np.diag(covariance), 0.0))
    return ViewReport(
        uid=view.uid,
        lat=float(lat),
        lng=float(lng),
        azimuth=round(angles_from_rotation(pose[:3, :3])[0], 4),
        moved_m=_rounded([float(m) if k else None for m, k in zip(moved, known, strict=True)]),
        turned_deg=round(-heading, 4) if has_heading else None,  # clockwise, where the vector is against the clock
        tilted_deg=round(tilt, 4),
        position_std_m=(float(deviations[3]), float(deviations[4]), float(deviations[5])),
        heading_std_deg=float(np.degrees(deviations[2])),
        position_sigmas=round(position, 2),
        heading_sigmas=round(sigmas["heading"], 2) if has_heading else None,
        num_points=int(own.sum()),
        num_links=num_links,
        residual_px=round(float(np.median(part.errors_px[own])), 3) if own.any() else 0.0,
        suspect=", ".join(wrong) or None,
    )


def _rounded(values: list[float | None]) -> tuple[float | None, float | None, float | None]:
    east, north, up = (None if value is None else round(value, 4) for value in values)
    return east, north, up


def _sequences(part: MapPart, views: Mapping[str, MapView]) -> list[SequenceReport]:
    members = Counter(views[uid].sequence for uid in part.uids)
    return [
        SequenceReport(
            name=drive["name"],
            num_views=members[drive["name"]],
            offset_m=tuple(drive["offset_m"]),
            offset_std_m=tuple(drive["offset_std_m"]),
        )
        for drive in part.facts.get("drives", [])
    ]


def _notes(part: MapPart, views: Mapping[str, MapView]) -> list[str]:
    notes = list(part.facts.get("notes", []))
    centers = camera_center(part.poses)
    spread = np.linalg.svd(centers - centers.mean(0), compute_uv=False)
    weak = float(part.facts.get("weak_tilt_deg", 0.0))
    if len(centers) > 2 and spread[1] < _LINE_RATIO * spread[0]:
        notes.append(
            f"the references stand on one line: nothing but the cameras' sense of gravity holds the roll about it, "
            f"which is known to {weak:.1f} degrees; positions aside of the line are as uncertain as that makes them"
        )
    elif weak > _WEAK_TILT_DEG and all(max(views[uid].tilt_std_deg) > _TRUSTED_TILT_DEG for uid in part.uids):
        notes.append(f"no source says where down is: the tilt of the part is known to {weak:.1f} degrees")
    return notes


def _bridges(part: MapPart, shared: Mapping[tuple[int, int], int]) -> set[tuple[int, int]]:
    """Links without which the part falls in two; views of one frame are one."""
    edges: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for a, b in shared:
        f, g = sorted((str(part.frames[a]), str(part.frames[b])))
        if f != g:
            edges.setdefault((f, g), []).append((a, b))
    names = {str(frame): str(frame) for frame in part.frames}
    whole = len(connected(list(names), edges, names))
    found = set()
    for edge, pairs in edges.items():
        rest = [other for other in edges if other != edge]
        if len(pairs) == 1 and len(connected(list(names), rest, names)) > whole:
            found.add(pairs[0])
    return found
