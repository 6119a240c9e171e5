"""What the references say that do not agree with a pose: nothing, or that another place looks the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from geonav.geometry.pose import camera_center
from geonav.pose.epipolar import epipolar_sigmas
from geonav.pose.solver import Query, Solution
from geonav.pose.tracks import View, build_tracks

# A match may lie this far from its epipolar line, in standard deviations of a keypoint.
_GATE_SIGMA = 10.0
# A reference whose own pose is a little off denies a pose by pixels, one of another place by far more.
_NEAR_SIGMA = 25.0
_NEAR_SHARE = 0.5
_MAX_TRIALS = 1000


def strongest_dissent(query: Query, views: Sequence[View], best: Solution, min_view_share: float, seed: int) -> int:
    """Matches of the strongest reference that shows what the photo shows, yet denies the pose.

    A reference whose matches fit one rigid scene seen twice, but not the pose, stands before something that looks
    like what the photo shows. One such reference has no scale of its own and gives no pose to compare with.

    Args:
        query: the photo.
        views: all references that were matched.
        best: the pose in question.
        min_view_share: share of a reference's matches that must agree with the pose for it to count as agreeing.
        seed: of the random draws.
    """
    agreeing = dict(zip((view.uid for view in best.views), best.inliers_per_view().tolist(), strict=True))
    dissenting = [
        view
        for view in views
        if agreeing.get(view.uid, 0) < min_view_share * len(view.query_index) and not _nearly_agrees(query, view, best)
    ]
    return max((rigid_matches(query, view, seed) for view in dissenting), default=0)


def _nearly_agrees(query: Query, view: View, best: Solution) -> bool:
    """Whether half of a reference's matches lie within a few pixels of where the pose wants them."""
    tracks = build_tracks([view])
    if tracks.num_tracks == 0:
        return True
    world_rays = best.camera.rays_from_pixels(query.pixels[tracks.keypoint]) @ best.pose[:3, :3]
    noise_rad = query.noise_px / best.camera.focal_px
    sigmas = epipolar_sigmas(tracks, world_rays, camera_center(best.pose), noise_rad)
    return bool((sigmas < _NEAR_SIGMA).mean() >= _NEAR_SHARE)


def rigid_matches(query: Query, view: View, seed: int) -> int:
    """Matches that one rigid scene explains, whatever the pose."""
    return rigid_pairs(query.pixels[view.query_index], view.pixels, max(query.noise_px, view.noise_px), seed)


def rigid_pairs(pixels: NDArray[np.float64], others: NDArray[np.float64], noise_px: float, seed: int) -> int:
    """Pairs of keypoints of two pictures that one rigid scene explains.

    They fit one fundamental matrix: no focal length is needed, and a plane fits too.

    Args:
        pixels: matched keypoints (M, 2) of the one picture.
        others: those of the other (M, 2).
        noise_px: standard deviation of a keypoint.
        seed: of the random draws.
    """
    import pycolmap

    if len(pixels) < 8:
        return 0
    options = pycolmap.RANSACOptions(max_error=_GATE_SIGMA * noise_px, random_seed=seed, max_num_trials=_MAX_TRIALS)
    found = pycolmap.estimate_fundamental_matrix(pixels, others, options)
    return 0 if found is None else int(np.asarray(found["inlier_mask"], bool).sum())
