"""One pose from one group of references: first pose, gating, joint adjustment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from geonav.geometry.camera import Camera
from geonav.geometry.pose import camera_center, pose_from_center
from geonav.pose.absolute import FirstPose, absolute_pose, generalized_relative_pose
from geonav.pose.adjustment import Adjusted, adjust
from geonav.pose.epipolar import epipolar_sigmas
from geonav.pose.residuals import QueryView, Structure, carried_structure
from geonav.pose.tracks import Ints, Tracks, View, build_tracks
from geonav.pose.triangulation import triangulate
from geonav.pose.uncertainty import PoseCovariance, pose_covariance

Array = NDArray[np.float64]
MIN_TRACKS = 6
_SAME_PLACE_M = 0.05
_MIN_VIEW_INLIERS = 12
# Seen from two places only, focal length and distance are told apart by little, and what the matches of one reference
# have in common (they shift together where it looks aslant) decides. On rendered streets the errors of poses with a
# solved focal length were up to this many times what independent noise explains.
PLACES_FOR_FOCAL = 3
_OPEN_FOCAL_FACTOR = 3.0
# While matches are still being sorted out, a pose need not be found to the last digit.
_ROUGH_SIGMAS = 0.1
_ROUGH_ITERATIONS = 10


@dataclass(frozen=True)
class Query:
    """The photo to be located.

    Attributes:
        camera: its intrinsics, or the best guess of them.
        pixels: keypoints (N, 2).
        noise_px: their standard deviation.
        intrinsics_std: of focal length and principal point in pixels, aspect and radial distortion (5,).
        intrinsics_free: solve for the intrinsics, with those standard deviations as prior.
        focal_unknown: the focal length is a guess only; a first value is estimated.
        position_prior: world metres (3,), with its standard deviations (3,).
    """

    camera: Camera
    pixels: Array
    noise_px: float
    intrinsics_std: Array
    intrinsics_free: bool = False
    focal_unknown: bool = False
    position_prior: tuple[Array, Array] | None = None


@dataclass(frozen=True)
class SolveOptions:
    """Gates of the solver, all in standard deviations of the keypoints or as angles.

    Attributes:
        ransac_sigma: error that a triangulated or resected point may have.
        gate_sigma: distance from the epipolar plane that a match may have; the first pass takes four times it.
        min_parallax_deg: least angle between the rays of a triangulated point.
        min_view_share: share of a reference's matches that must agree for any of them to count. On a facade that
            repeats, a few wrong matches in line with the right ones would otherwise set the scale.
        seed: of the random draws.
    """

    ransac_sigma: float = 13.0
    gate_sigma: float = 6.0
    min_parallax_deg: float = 1.0
    min_view_share: float = 0.25
    seed: int = 0


@dataclass(frozen=True)
class Solution:
    """A pose and what speaks for it.

    Attributes:
        pose: ``E`` camera_from_world (4, 4).
        camera: intrinsics it holds with.
        tracks: the observations that agree.
        views: the references it was solved with, in the order of ``tracks.view``.
        method: "absolute" from triangulated points, "generalized_relative" without.
        adjusted: the adjustment's own outcome.
        held_std: standard deviations in pixels of a focal length and principal point (3,) that were held fixed.
        widened: how many times larger than by the residuals its standard deviations are to be taken.
    """

    pose: Array
    camera: Camera
    tracks: Tracks
    views: tuple[View, ...]
    method: str
    adjusted: Adjusted
    held_std: Array | None
    widened: float = 1.0

    @cached_property
    def covariance(self) -> PoseCovariance:
        """Of rotation and centre."""
        return pose_covariance(self.tracks, self.views, self.adjusted, self.held_std).scaled(self.widened)

    @property
    def num_inliers(self) -> int:
        """Keypoints of the query that agree with the pose."""
        return self.tracks.num_tracks

    def inliers_per_view(self) -> Ints:
        """Matches (V,) of each view that agree with the pose."""
        return np.bincount(self.tracks.view, minlength=len(self.views))

    def num_places(self) -> int:
        """Places apart from each other at which references agree with the pose.

        Views cut from one panorama share a centre and count once.
        """
        agreeing = self.inliers_per_view() >= _MIN_VIEW_INLIERS
        centers = [camera_center(view.pose) for view, agrees in zip(self.views, agreeing, strict=True) if agrees]
        places: list[Array] = []
        for center in centers:
            if all(np.linalg.norm(center - place) > _SAME_PLACE_M for place in places):
                places.append(center)
        return len(places)


def solve(query: Query, views: Sequence[View], options: SolveOptions) -> Solution | None:
    """Best pose from matches to posed references, or None where nothing holds together.

    Args:
        query: camera and keypoints of the photo.
        views: posed references with their matches, of one place.
        options: gates and seed.
    """
    tracks = build_tracks(views)
    if tracks.num_tracks < MIN_TRACKS:
        return None
    found = _first_pose(query, views, tracks, options)
    if found is None:
        return None
    first, method = found
    return refine(query, views, first, options, method=method)


def refine(
    query: Query, views: Sequence[View], first: FirstPose, options: SolveOptions, *, method: str
) -> Solution | None:
    """Adjust a first pose to all matches that agree with it."""
    tracks = build_tracks(views)
    view = _query_view(query, first)
    before: NDArray[np.bool_] | None = None
    known: tuple[Tracks, Structure] | None = None
    for widening in (4.0, 1.0, 1.0):
        agreeing = _agreeing(tracks, view, options.gate_sigma * widening)
        if before is not None and np.array_equal(agreeing, before):
            break
        before = agreeing
        kept = _in_supported_views(tracks.select(agreeing), views, options)
        if kept.num_tracks < MIN_TRACKS:
            return None
        start = None if known is None else carried_structure(kept, view, known)
        adjusted = adjust(kept, view, start, tolerance=_ROUGH_SIGMAS, max_iterations=_ROUGH_ITERATIONS)
        # With a focal length that changes, all points move: they are better found anew than carried along.
        known = None if query.intrinsics_free else (kept, adjusted.structure)
        kept = _without_outliers(kept, adjusted, options.gate_sigma * widening)
        kept = _in_supported_views(kept, views, options)
        if kept.num_tracks < MIN_TRACKS:
            return None
        view = _with_current_rays(query, adjusted.query)
    adjusted = adjust(kept, view, known and carried_structure(kept, view, known))
    if not np.isfinite(adjusted.query.center).all():
        return None
    pose = pose_from_center(adjusted.query.rotation, adjusted.query.center)
    held_std = None if query.intrinsics_free else query.intrinsics_std[:3]
    camera = _camera_of(first.camera, adjusted.query)
    solution = Solution(pose, camera, kept, tuple(views), method, adjusted, held_std)
    if query.intrinsics_free and solution.num_places() < PLACES_FOR_FOCAL:
        return replace(solution, widened=_OPEN_FOCAL_FACTOR)
    return solution


def _first_pose(
    query: Query, views: Sequence[View], tracks: Tracks, options: SolveOptions
) -> tuple[FirstPose, str] | None:
    """Absolute pose from triangulated points where they suffice, else generalised relative pose."""
    points = triangulate(tracks, options.ransac_sigma, np.radians(options.min_parallax_deg))
    limit_px = options.ransac_sigma * query.noise_px
    if len(points.track) >= MIN_TRACKS:
        first = absolute_pose(
            query.camera,
            query.pixels[tracks.keypoint[points.track]],
            points.xyz,
            max_error_px=limit_px,
            estimate_focal=query.focal_unknown,
            seed=options.seed,
        )
        if first is not None and first.inliers.sum() >= MIN_TRACKS:
            return first, "absolute"
    if query.focal_unknown:  # a guessed focal length makes a relative pose meaningless
        return None
    first = generalized_relative_pose(query.camera, query.pixels, views, max_error_px=limit_px, seed=options.seed)
    return None if first is None else (first, "generalized_relative")


def _query_view(query: Query, first: FirstPose) -> QueryView:
    camera = first.camera
    values = np.array([camera.focal_px, *camera.principal_point_px, 0.0, 0.0])
    prior = np.array([query.camera.focal_px, *query.camera.principal_point_px, 0.0, 0.0])
    return QueryView(
        rotation=first.pose[:3, :3],
        center=camera_center(first.pose),
        pixels=query.pixels,
        rays=camera.rays_from_pixels(query.pixels),
        noise_px=query.noise_px,
        intrinsics=values,
        intrinsics_std=query.intrinsics_std if query.intrinsics_free else None,
        intrinsics_prior=prior if query.intrinsics_free else None,
        position_prior=query.position_prior,
    )


def _with_current_rays(query: Query, view: QueryView) -> QueryView:
    """The view with its rays recomputed from the intrinsics, where those are free."""
    if view.intrinsics_std is None:
        return view
    return replace(view, rays=_camera_of(query.camera, view).rays_from_pixels(view.pixels))


def _camera_of(start: Camera, view: QueryView) -> Camera:
    if view.intrinsics_std is None:
        return start
    focal, cx, cy, aspect, k1 = (float(value) for value in view.intrinsics)
    params = (focal, focal * (1.0 + aspect), cx, cy, k1, 0.0, 0.0, 0.0)
    return Camera("OPENCV", start.width, start.height, params)


def _agreeing(tracks: Tracks, view: QueryView, gate_sigma: float) -> NDArray[np.bool_]:
    """Which matches (O,) lie near their epipolar planes and in front of both cameras."""
    world_rays = view.rays[tracks.keypoint] @ view.rotation
    noise_rad = view.noise_px / view.intrinsics[0]
    agreeing: NDArray[np.bool_] = epipolar_sigmas(tracks, world_rays, view.center, noise_rad) < gate_sigma
    return agreeing


def _in_supported_views(tracks: Tracks, views: Sequence[View], options: SolveOptions) -> Tracks:
    """Observations of the references that agree with a fair share of their matches."""
    agree = np.bincount(tracks.view, minlength=len(views))
    given = np.array([len(view.query_index) for view in views])
    return tracks.select((agree >= options.min_view_share * given)[tracks.view])


def _without_outliers(tracks: Tracks, adjusted: Adjusted, gate_sigma: float) -> Tracks:
    """Observations that the adjustment could not bring near its point are dropped."""
    reference_ok = (adjusted.reference_residuals**2).sum(0) < gate_sigma**2
    query_ok = (adjusted.query_residuals**2).sum(0) < gate_sigma**2
    return tracks.select(reference_ok & query_ok[tracks.track])
