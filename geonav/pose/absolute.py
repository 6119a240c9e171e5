"""First poses: absolute pose from triangulated points, or generalised relative pose without any."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geonav.geometry.camera import Camera
from geonav.geometry.pose import camera_center
from geonav.pose.tracks import View

Array = NDArray[np.float64]
_MIN_TRIALS, _MAX_TRIALS = 100, 600


@dataclass(frozen=True)
class FirstPose:
    """A pose to start from.

    Attributes:
        pose: ``E`` camera_from_world (4, 4).
        camera: the camera it holds for; its focal length may have been estimated.
        inliers: which of the given correspondences agree (N,).
    """

    pose: Array
    camera: Camera
    inliers: NDArray[np.bool_]


def absolute_pose(
    camera: Camera, pixels: Array, xyz: Array, *, max_error_px: float, estimate_focal: bool, seed: int
) -> FirstPose | None:
    """Pose from 2D-3D correspondences by pycolmap's LO-RANSAC and refinement.

    Args:
        camera: of the query; only its principal point and size count while the focal length is estimated.
        pixels: keypoints (N, 2).
        xyz: their points (N, 3), world metres.
        max_error_px: an angle, given as pixels at the camera's principal point.
        estimate_focal: solve for the focal length too (P4Pf).
        seed: of the random draws.

    Returns:
        None where no pose is found.
    """
    import pycolmap

    if len(pixels) < 4:
        return None
    estimation = pycolmap.AbsolutePoseEstimationOptions()
    estimation.estimate_focal_length = estimate_focal
    estimation.ransac.max_error = max_error_px
    estimation.ransac.min_inlier_ratio = 0.02
    estimation.ransac.random_seed = seed
    refinement = pycolmap.AbsolutePoseRefinementOptions()
    refinement.refine_focal_length = estimate_focal
    colmap = camera.to_pycolmap()
    found = pycolmap.estimate_and_refine_absolute_pose(pixels, xyz, colmap, estimation, refinement)
    if found is None:
        return None
    if estimate_focal:
        camera = Camera(camera.model, camera.width, camera.height, tuple(colmap.params))
    pose = np.eye(4)
    pose[:3] = found["cam_from_world"].matrix()
    return FirstPose(pose, camera, np.asarray(found["inlier_mask"], bool))


def generalized_relative_pose(
    camera: Camera, pixels: Array, views: Sequence[View], *, max_error_px: float, seed: int
) -> FirstPose | None:
    """Pose from 2D-2D matches to posed references alone, by pycolmap's generalised relative pose.

    The references form a rig with known poses; their baselines give the scale. Needs no point that
    two references see.

    Args:
        camera: of the query.
        pixels: all its keypoints (N, 2).
        views: the references and their matches.
        max_error_px: Sampson error in pixels.
        seed: of the random draws.

    Returns:
        None where no pose is found; ``inliers`` runs over the views' matches, one view after another.
    """
    import pycolmap

    index = np.concatenate([view.query_index for view in views])
    if len(index) < 8 or len({tuple(camera_center(v.pose).round(3)) for v in views if len(v.query_index)}) < 2:
        return None
    # A world origin near the references keeps the rig's translations small.
    origin = np.mean([camera_center(view.pose) for view in views], axis=0)
    rig = [
        pycolmap.Rigid3d(
            pycolmap.Rotation3d(np.ascontiguousarray(v.pose[:3, :3])), v.pose[:3, 3] + v.pose[:3, :3] @ origin
        )
        for v in views
    ]
    cameras = [*(view.camera.to_pycolmap() for view in views), camera.to_pycolmap()]
    rig.append(pycolmap.Rigid3d())
    # A trial costs milliseconds: what does not show within these few is not worth waiting for.
    options = pycolmap.RANSACOptions(
        max_error=max_error_px, random_seed=seed, min_num_trials=_MIN_TRIALS, max_num_trials=_MAX_TRIALS
    )
    view_of = np.concatenate([np.full(len(view.query_index), i) for i, view in enumerate(views)])
    found = pycolmap.estimate_generalized_relative_pose(
        np.concatenate([view.pixels for view in views]),
        pixels[index],
        view_of.tolist(),
        [len(views)] * len(index),
        rig,
        cameras,
        options,
    )
    if found is None or "rig2_from_rig1" not in found:
        return None
    pose = np.eye(4)
    pose[:3] = found["rig2_from_rig1"].matrix()
    pose[:3, 3] -= pose[:3, :3] @ origin
    return FirstPose(pose, camera, np.asarray(found["inlier_mask"], bool))
