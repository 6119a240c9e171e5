"""References without a map whose poses are doubtful: adjusted together with the photo that they were matched to.

The photo's keypoints tie the references to each other. What the pictures say of how they stand together holds, and
their sources' errors average out over as many as there are: less than over a whole map, far more than none at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from geonav.geometry.pose import camera_center
from geonav.pipeline.mapping.linking import verified
from geonav.pipeline.mapping.pieces import stored_part, with_facts
from geonav.pipeline.mapping.solving import PartInput
from geonav.pipeline.mapping.trying import solve_part
from geonav.pipeline.mapping.views import MapView
from geonav.pose.decide import DecideOptions
from geonav.pose.grouping import group_views
from geonav.pose.solver import Query
from geonav.pose.tracks import View

# Poses better known than this are held as they are: the photo's own matches could not better them.
_DOUBTFUL_M, _DOUBTFUL_DEG = 0.1, 0.1
# Chance alone lets a few of many wrong matches fit one rigid scene.
_MIN_SHARED, _MIN_SHARE = 15, 0.25
_QUERY = "\0query"


def is_doubtful(view: View) -> bool:
    """Whether a reference's pose is known too badly to be held fixed."""
    return view.joint is None and (max(view.position_std_m) > _DOUBTFUL_M or view.rotation_std_deg[0] > _DOUBTFUL_DEG)


def with_adjusted(query: Query, views: Sequence[View], options: DecideOptions) -> list[View]:
    """The references, those whose poses are doubtful adjusted, group by group.

    A reference that cannot be joined to the others of its group is left out where others can: it would contradict them.
    """
    found: list[View] = []
    for group in group_views(views, options.group_radius_m, options.min_shared):
        doubtful = [view for view in group if is_doubtful(view)]
        adjusted = _adjusted(query, group, options.solver.seed) if len(doubtful) == len(group) > 1 else None
        found += adjusted or group
    return found


def _adjusted(query: Query, group: Sequence[View], seed: int) -> list[View] | None:
    part = _part(query, group, seed)
    pieces = solve_part(part)
    best = next((piece for piece in pieces if any(view.uid == _QUERY for view in piece.views)), None)
    if best is None:
        return None
    stored = with_facts(stored_part(best, {view.uid: "" for view in best.views}), adjusted_with_photo=True)
    by_uid = {view.uid: view for view in group}
    return [
        replace(by_uid[uid], pose=stored.poses[row], joint=stored, row=row)
        for row, uid in enumerate(stored.uids)
        if uid != _QUERY
    ]


def _part(query: Query, group: Sequence[View], seed: int) -> PartInput:
    """The photo and its references, linked through the photo's keypoints."""
    views = [_as_map_view(view) for view in group]
    nowhere = np.full(3, np.nan)
    photo = MapView(
        uid=_QUERY,
        camera=query.camera,
        is_calibrated=not query.intrinsics_free,
        position_m=nowhere,
        position_std_m=np.full(3, np.inf),
        rotation=np.eye(3),
        heading_std_deg=np.inf,
        tilt_std_deg=(np.inf, np.inf),
        sequence="",
        frame=_QUERY,
        stamp="",
    )
    keypoints = {_QUERY: query.pixels, **{view.uid: view.pixels for view in group}}
    noise = {_QUERY: query.noise_px, **{view.uid: view.noise_px for view in group}}
    links: dict[tuple[str, str], NDArray[np.integer]] = {}
    everyone = [(photo, np.arange(len(query.pixels))), *((m, v.query_index) for m, v in zip(views, group, strict=True))]
    for i, (first, first_index) in enumerate(everyone):
        for second, second_index in everyone[i + 1 :]:
            if first.frame == second.frame:
                continue
            _, a, b = np.intersect1d(first_index, second_index, return_indices=True)
            pixels = keypoints[first.uid][a], keypoints[second.uid][b]
            keep, _ = verified(first, second, pixels, (noise[first.uid], noise[second.uid]), seed)
            if keep.sum() >= max(_MIN_SHARED, _MIN_SHARE * len(keep)):
                links[first.uid, second.uid] = np.stack([a[keep], b[keep]], axis=1)
    return PartInput([photo, *views], keypoints, noise, links, 1.0, seed)


def _as_map_view(view: View) -> MapView:
    heading, tilt = view.rotation_std_deg
    return MapView(
        uid=view.uid,
        camera=view.camera,
        is_calibrated=True,
        position_m=camera_center(view.pose),
        position_std_m=np.array(view.position_std_m),
        rotation=view.pose[:3, :3],
        heading_std_deg=heading,
        tilt_std_deg=(tilt, tilt),
        sequence="",
        frame=view.frame or view.uid,
        stamp="",
    )
