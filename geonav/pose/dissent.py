"""What the references say that do not agree with a pose: nothing, or that another place looks the same."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from geonav.geometry.pose import camera_center
from geonav.pose.epipolar import epipolar_sigmas
from geonav.pose.solver import Query, Solution
from geonav.pose.tracks import Ints, View, build_tracks

# A match may lie this far from its epipolar line, in standard deviations of a keypoint.
_GATE_SIGMA = 10.0
# A reference whose own pose is a little off denies a pose by pixels, one of another place by far more.
_NEAR_SIGMA = 25.0
_NEAR_SHARE = 0.5
_MAX_TRIALS = 1000
# Views of one panorama share a centre.
_SAME_PLACE_M = 0.3


def dissent(query: Query, views: Sequence[View], best: Solution, min_view_share: float, seed: int) -> list[Ints]:
    """What the references that deny the pose recognise in the photo, those of one place together.

    A reference whose matches fit one rigid scene seen twice, but not the pose, stands before something that looks
    like what the photo shows. One such reference has no scale of its own and gives no pose to compare with.

    Args:
        query: the photo.
        views: all references that were matched.
        best: the pose in question.
        min_view_share: share of a reference's matches that must agree with the pose for it to count as agreeing.
        seed: of the random draws.

    Returns:
        Of each such place the keypoints of the photo that one rigid scene explains.
    """
    agreeing = dict(zip((view.uid for view in best.views), best.inliers_per_view().tolist(), strict=True))
    places: list[tuple[NDArray[np.float64], Ints]] = []
    for view in views:
        if agreeing.get(view.uid, 0) >= min_view_share * len(view.query_index) or _nearly_agrees(query, view, best):
            continue
        center, shown = camera_center(view.pose), view.query_index[_rigid(query, view, seed)]
        near = next((i for i, (other, _) in enumerate(places) if np.linalg.norm(center - other) <= _SAME_PLACE_M), None)
        if near is None:
            places.append((center, shown))
        else:
            places[near] = center, np.union1d(places[near][1], shown)
    return [shown for _, shown in places]


def _nearly_agrees(query: Query, view: View, best: Solution) -> bool:
    """Whether half of a reference's matches lie within a few pixels of where the pose wants them."""
    near = _is_near(query, view, best)
    return not len(near) or bool(near.mean() >= _NEAR_SHARE)


def nearly_agreeing(query: Query, view: View, best: Solution) -> int:
    """Keypoints of the photo that lie within a few pixels of where the pose and a reference's want them."""
    return int(_is_near(query, view, best).sum())


def _is_near(query: Query, view: View, best: Solution) -> NDArray[np.bool_]:
    tracks = build_tracks([view])
    if tracks.num_tracks == 0:
        return np.zeros(0, np.bool_)
    world_rays = best.camera.rays_from_pixels(query.pixels[tracks.keypoint]) @ best.pose[:3, :3]
    noise_rad = query.noise_px / best.camera.focal_px
    near: NDArray[np.bool_] = epipolar_sigmas(tracks, world_rays, camera_center(best.pose), noise_rad) < _NEAR_SIGMA
    return near


def rigid_matches(query: Query, view: View, seed: int) -> int:
    """Matches that one rigid scene explains, whatever the pose."""
    return int(_rigid(query, view, seed).sum())


def _rigid(query: Query, view: View, seed: int) -> NDArray[np.bool_]:
    return rigid_pairs(query.pixels[view.query_index], view.pixels, max(query.noise_px, view.noise_px), seed)


def rigid_pairs(
    pixels: NDArray[np.float64], others: NDArray[np.float64], noise_px: float, seed: int
) -> NDArray[np.bool_]:
    """Which pairs (M,) of keypoints of two pictures one rigid scene explains.

    They fit one fundamental matrix: no focal length is needed, and a plane fits too.

    Args:
        pixels: matched keypoints (M, 2) of the one picture.
        others: those of the other (M, 2).
        noise_px: standard deviation of a keypoint.
        seed: of the random draws.
    """
    import pycolmap

    nothing = np.zeros(len(pixels), bool)
    if len(pixels) < 8:
        return nothing
    options = pycolmap.RANSACOptions(max_error=_GATE_SIGMA * noise_px, random_seed=seed, max_num_trials=_MAX_TRIALS)
    found = pycolmap.estimate_fundamental_matrix(pixels, others, options)
    return nothing if found is None else np.asarray(found["inlier_mask"], bool)
