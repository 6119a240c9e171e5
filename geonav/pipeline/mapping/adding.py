"""New references join the parts that are there: nothing is matched again, and no other part is touched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from geonav.data.map_store import MapPart
from geonav.geometry.camera import Camera
from geonav.geometry.pose import camera_center
from geonav.pipeline.mapping.solving import Adjusted, PartInput, adjust_structure, align_structure
from geonav.pipeline.mapping.views import MapView
from geonav.pose.absolute import absolute_pose
from geonav.pose.structure import Structure
from geonav.pose.tracks import View, build_tracks
from geonav.pose.triangulation import triangulate

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
Pair = tuple[str, str]
_MIN_POINTS = 20
# Of what its matches show, so much must agree: a look-alike agrees by a few points.
_MIN_SHARE = 0.3
_MAX_ERROR_SIGMA = 10.0
_TRACK_SIGMA = 6.0
_MIN_PARALLAX_RAD = float(np.radians(1.0))


@dataclass(frozen=True)
class Placed:
    """A new reference that the points of a part place in it.

    Attributes:
        view: the reference.
        camera: its intrinsics; those that the part solved for where its own are the same guess.
        pose: ``E`` (4, 4).
        keypoint: (N,) its keypoints that agree.
        point: (N,) the points of the part that they show.
    """

    view: MapView
    camera: Camera
    pose: Array
    keypoint: Ints
    point: Ints


def place(part: MapPart, view: MapView, part_input: PartInput, cameras: Mapping[Camera, Camera]) -> Placed | None:
    """A new reference by the points that its matches in a part show; None where they are too few, or disagree."""
    keypoints, points = _shown(part, view.uid, part_input.links)
    if len(keypoints) < _MIN_POINTS:
        return None
    camera = view.camera if view.is_calibrated else cameras.get(view.camera, view.camera)
    found = absolute_pose(
        camera,
        part_input.keypoints[view.uid][keypoints],
        part.points[points],
        max_error_px=_MAX_ERROR_SIGMA * part_input.noise_px[view.uid],
        estimate_focal=False,
        seed=part_input.seed,
    )
    if found is None or found.inliers.sum() < max(_MIN_POINTS, _MIN_SHARE * len(keypoints)):
        return None
    return Placed(view, camera, found.pose, keypoints[found.inliers], points[found.inliers])


def _shown(part: MapPart, uid: str, links: Mapping[Pair, NDArray[np.integer]]) -> tuple[Ints, Ints]:
    """Keypoints of a reference, each once, and the points that most of their matches in the part show."""
    votes: Counter[tuple[int, int]] = Counter()
    for (first, second), pairs in links.items():
        other = second if first == uid else first
        if uid not in {first, second} or other not in part.row_of:
            continue
        own, theirs = (pairs[:, 0], pairs[:, 1]) if first == uid else (pairs[:, 1], pairs[:, 0])
        points = part.points_at(part.row_of[other], theirs.astype(np.int64))
        votes.update(zip(own[points >= 0].tolist(), points[points >= 0].tolist(), strict=True))
    best: dict[int, int] = {}
    for (keypoint, point), _ in sorted(votes.items(), key=lambda item: item[1]):
        best[keypoint] = point
    taken: dict[int, int] = {}  # a point is seen by one keypoint of a picture
    for keypoint, point in best.items():
        if point not in taken or votes[keypoint, point] > votes[taken[point], point]:
            taken[point] = keypoint
    return np.array(list(taken.values()), np.int64), np.array(list(taken), np.int64)


def extended(part: MapPart, placed: Sequence[Placed], part_input: PartInput) -> Adjusted | None:
    """The part with new references, all adjusted again: their points, new points that they bring, and the priors."""
    structure = _structure(part, placed, part_input)
    aligned = align_structure(part_input, structure)
    return None if aligned is None else adjust_structure(part_input, structure, aligned)


def _structure(part: MapPart, placed: Sequence[Placed], part_input: PartInput) -> Structure:
    number = {view.uid: index for index, view in enumerate(part_input.views)}
    poses = np.concatenate([part.poses, np.array([new.pose for new in placed])])
    count = len(part.uids)
    view = np.concatenate([part.view, *(np.full(len(new.point), count + i) for i, new in enumerate(placed))])
    keypoint = np.concatenate([part.keypoint, *(new.keypoint for new in placed)])
    point = np.concatenate([part.point, *(new.point for new in placed)])
    cameras = (*part.cameras, *(new.camera for new in placed))
    uids = [*part.uids, *(new.view.uid for new in placed)]
    fresh = _new_points(uids, cameras, poses, (view, keypoint), part_input)
    return Structure(
        pictures=np.array([number[uid] for uid in uids]),
        rotations=poses[:, :3, :3],
        centers=np.asarray(camera_center(poses), np.float64),
        cameras=cameras,
        points=np.concatenate([part.points, fresh.points]),
        picture=np.concatenate([view, fresh.picture]),
        keypoint=np.concatenate([keypoint, fresh.keypoint]),
        point=np.concatenate([point, fresh.point + len(part.points)]),
    )


@dataclass(frozen=True)
class _Fresh:
    """Points that only new references brought."""

    points: Array
    picture: Ints
    keypoint: Ints
    point: Ints


def _new_points(
    uids: Sequence[str], cameras: Sequence[Camera], poses: Array, seen: tuple[Ints, Ints], part_input: PartInput
) -> _Fresh:
    """Matches of new references whose keypoints show no point yet, joined to tracks and triangulated."""
    row = {uid: index for index, uid in enumerate(uids)}
    used = {(int(v), int(k)) for v, k in zip(*seen, strict=True)}
    parent: dict[tuple[int, int], tuple[int, int]] = {}

    def root(node: tuple[int, int]) -> tuple[int, int]:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for (first, second), pairs in part_input.links.items():
        if first not in row or second not in row:
            continue
        for a, b in pairs.tolist():
            one, other = (row[first], a), (row[second], b)
            if one not in used and other not in used:
                parent[root(one)] = root(other)
    tracks: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for node in list(parent):
        tracks.setdefault(root(node), []).append(node)
    # A track that has two keypoints of one picture joined what does not belong together.
    good = [nodes for nodes in tracks.values() if len(nodes) == len({view for view, _ in nodes}) > 1]
    table = np.array([(v, k, t) for t, nodes in enumerate(good) for v, k in nodes], np.int64).reshape(-1, 3)
    views = []
    for index, uid in enumerate(uids):
        own = table[:, 0] == index
        pixels = part_input.keypoints[uid][table[own, 1]]
        views.append(View(uid, cameras[index], poses[index], pixels, table[own, 2], noise_px=part_input.noise_px[uid]))
    built = build_tracks(views)
    found = triangulate(built, _TRACK_SIGMA, _MIN_PARALLAX_RAD)
    numbers = np.full(built.num_tracks, -1)
    numbers[found.track] = np.arange(len(found.track))
    kept = found.observation_agrees & (numbers[built.track] >= 0)
    point_of = dict(zip(built.keypoint[found.track].tolist(), range(len(found.track)), strict=True))
    agreeing = {(int(v), int(built.keypoint[t])) for v, t in zip(built.view[kept], built.track[kept], strict=True)}
    rows = [(v, k, point_of[t]) for v, k, t in table.tolist() if (v, t) in agreeing]
    chosen = np.array(rows, np.int64).reshape(-1, 3)
    return _Fresh(found.xyz, chosen[:, 0], chosen[:, 1], chosen[:, 2])


def solved_cameras(part: MapPart, views: Mapping[str, MapView]) -> dict[Camera, Camera]:
    """Cameras that the part solved for, by what they were guessed to be."""
    return {views[uid].camera: camera for uid, camera in zip(part.uids, part.cameras, strict=True) if uid in views}


def without_gone(part: MapPart, views: Mapping[str, MapView], feature_stamp_of: Callable[[str], str]) -> MapPart | None:
    """The part without references that were deleted, replaced or described anew; None where too little is left."""

    def is_same(uid: str, stamp: str, feature_stamp: str) -> bool:
        return uid in views and views[uid].stamp == stamp and feature_stamp_of(uid) == feature_stamp

    keep = np.array([is_same(*row) for row in zip(part.uids, part.stamps, part.feature_stamps, strict=True)])
    if keep.all():
        return part
    frames = sorted({int(frame) for frame in part.frames[keep]})
    seen = keep[part.view]
    seen &= (np.bincount(part.point[seen], minlength=len(part.points)) >= 2)[part.point]
    used, point = np.unique(part.point[seen], return_inverse=True)
    if len(frames) < 2 or not len(used):
        return None
    rows, at = np.flatnonzero(keep), (6 * np.array(frames)[:, None] + np.arange(6)).ravel()
    return replace(
        part,
        uids=[part.uids[row] for row in rows],
        stamps=[part.stamps[row] for row in rows],
        feature_stamps=[part.feature_stamps[row] for row in rows],
        cameras=[part.cameras[row] for row in rows],
        poses=part.poses[keep],
        frames=np.searchsorted(frames, part.frames[keep]),
        covariance=part.covariance[np.ix_(at, at)],
        own_std=part.own_std[frames],
        points=part.points[used],
        view=np.searchsorted(rows, part.view[seen]),
        keypoint=part.keypoint[seen],
        point=point,
        pixels=part.pixels[seen],
        errors_px=part.errors_px[seen],
    )
