"""Points of a COLMAP model: matches between posed references, joined to tracks and triangulated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geonav.data.database import Database
from geonav.errors import DatabaseError, InputError
from geonav.formats.colmap import Points, PosedImage
from geonav.formats.hloc import read_matches
from geonav.pipeline.exporting import StoredView
from geonav.pipeline.stored import StoredFeatures
from geonav.pose.tracks import Tracks, View, build_tracks
from geonav.pose.triangulation import triangulate

Array = NDArray[np.float64]
Ints = NDArray[np.int64]
_MAX_ERROR_SIGMA = 4.0  # with keypoints known to a pixel
_MIN_PARALLAX_RAD = float(np.radians(1.0))


def images_with_tracks(
    database: Database, views: Sequence[StoredView], matches: Path, model: str
) -> tuple[list[PosedImage], Points]:
    """The views with all keypoints, and the points that at least two of them agree on.

    Raises:
        InputError: the matches are missing or of other features.
        DatabaseError: the database has no features of ``model``.
    """
    settings = database.local_settings(model)
    if settings is None:
        msg = f"{database.path} has no {model} features: run 'geonav index local', or name their --model"
        raise DatabaseError(msg)
    stored = StoredFeatures(database, settings)
    keypoints = [view.stored_pixels(stored.read(view.uid).keypoints.astype(float)) for view in views]
    first = np.concatenate([[0], np.cumsum([len(pixels) for pixels in keypoints])]).astype(np.int64)
    links = _links(matches, [view.name for view in views], first)
    image, keypoint, track = _observations(_components(int(first[-1]), links), first)
    seen = [
        View(view.uid, view.camera, view.pose, keypoints[i][keypoint[image == i]], track[image == i])
        for i, view in enumerate(views)
    ]
    tracks = build_tracks(seen)
    found = triangulate(tracks, _MAX_ERROR_SIGMA, _MIN_PARALLAX_RAD)
    number = np.full(tracks.num_tracks, -1)
    number[found.track] = np.arange(len(found.track))
    ids = [np.full(len(pixels), -1, np.int64) for pixels in keypoints]
    index_of = {(int(t), int(i)): int(k) for t, i, k in zip(track, image, keypoint, strict=True)}
    used = np.flatnonzero(found.observation_agrees & (number[tracks.track] >= 0))
    for observation in used:
        at = int(tracks.keypoint[tracks.track[observation]]), int(tracks.view[observation])
        ids[at[1]][index_of[at]] = number[tracks.track[observation]]
    errors = _errors_px(tracks, used, number, (seen, found.xyz, index_of, keypoints))
    images = [
        PosedImage(view.name, view.camera, view.pose, pixels, points)
        for view, pixels, points in zip(views, keypoints, ids, strict=True)
    ]
    return images, Points(found.xyz, errors)


def _links(matches: Path, names: Sequence[str], first: Ints) -> Ints:
    """Matched keypoints (M, 2), numbered through all images."""
    number = {name: i for i, name in enumerate(names)}
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    links = []
    for row in read_matches(matches, pairs):
        i, j = number[row.name0], number[row.name1]
        counts = first[[i + 1, j + 1]] - first[[i, j]]
        if len(row.pairs) and (row.num_keypoints0 != counts[0] or row.pairs[:, 1].max() >= counts[1]):
            msg = f"{matches}: the matches of '{row.name0}' and '{row.name1}' are of other keypoints: match again"
            raise InputError(msg)
        links.append(row.pairs + first[[i, j]])
    if not links:
        msg = f"{matches} has no pair of the exported images: export both with the same --names"
        raise InputError(msg)
    return np.concatenate(links)


def _components(size: int, links: Ints) -> Ints:
    """The smallest member (N,) of each keypoint's connected component."""
    label = np.arange(size)
    while True:
        before = label.copy()
        low = np.minimum(label[links[:, 0]], label[links[:, 1]])
        np.minimum.at(label, links[:, 0], low)
        np.minimum.at(label, links[:, 1], low)
        label = label[label]
        if (label == before).all():
            return label


def _observations(label: Ints, first: Ints) -> tuple[Ints, Ints, Ints]:
    """Image, keypoint and track of every keypoint whose track has two images and no image twice."""
    image = np.repeat(np.arange(len(first) - 1), np.diff(first))
    keypoint = np.arange(len(label)) - first[image]
    size = np.bincount(label, minlength=len(label))
    same = np.unique(np.stack([label, image], axis=1), axis=0)
    images = np.bincount(same[:, 0], minlength=len(label))
    good = ((size >= 2) & (images == size))[label]
    return image[good], keypoint[good], label[good]


def _errors_px(
    tracks: Tracks,
    used: Ints,
    number: Ints,
    scene: tuple[Sequence[View], Array, dict[tuple[int, int], int], Sequence[Array]],
) -> Array:
    """Mean distance (P,) in pixels between each point's projections and its keypoints."""
    views, xyz, index_of, keypoints = scene
    total, count = np.zeros(len(xyz)), np.zeros(len(xyz))
    for i, view in enumerate(views):
        mine = used[tracks.view[used] == i]
        point = number[tracks.track[mine]]
        at = [index_of[int(tracks.keypoint[tracks.track[o]]), i] for o in mine]
        camera_xyz = xyz[point] @ view.pose[:3, :3].T + view.pose[:3, 3]
        error = np.linalg.norm(view.camera.pixels_from_points(camera_xyz) - keypoints[i][at], axis=1)
        np.add.at(total, point, error)
        np.add.at(count, point, 1)
    return total / np.maximum(count, 1)
