"""Which references show the same place from one side, so that they may be solved together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from geonav.geometry.pose import camera_center
from geonav.pose.tracks import View

# References nearer to each other than this may be solved together.
GROUP_RADIUS_M = 30.0
# Keypoints of the photo that tie two references looking different ways together.
MIN_SHARED = 10


def group_views(views: Sequence[View], radius_m: float, min_shared: int) -> list[list[View]]:
    """Connected groups of references, the one with most matches first.

    Two references belong together when they stand within ``radius_m`` and either look the same way
    (optical axes less than a right angle apart) or were matched to at least ``min_shared`` common
    keypoints of the query. Look-alike facades streets apart thus never vote for one pose together.
    """
    group = list(range(len(views)))
    for i, a in enumerate(views):
        for j in range(i):
            if group[i] != group[j] and _belong(a, views[j], radius_m, min_shared):
                old, new = group[i], group[j]
                group = [new if label == old else label for label in group]
    members = [[v for v, label in zip(views, group, strict=True) if label == g] for g in dict.fromkeys(group)]
    return sorted(members, key=lambda vs: -sum(len(v.query_index) for v in vs))


def _belong(a: View, b: View, radius_m: float, min_shared: int) -> bool:
    if np.linalg.norm(camera_center(a.pose) - camera_center(b.pose)) > radius_m:
        return False
    if float(a.pose[2, :3] @ b.pose[2, :3]) > 0:
        return True
    return len(np.intersect1d(a.query_index, b.query_index)) >= min_shared
