"""Tracks: a keypoint of the query and the reference keypoints it was matched to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from geonav.geometry.camera import Camera
from geonav.geometry.pose import camera_center

Array = NDArray[np.float64]
Ints = NDArray[np.int64]


class JointErrors(Protocol):
    """What several references are off in common and alone, as a map knows it."""

    def covariance_of(self, rows: Sequence[int]) -> Array:
        """(6N, 6N) of some references: turn about east, north, up in radians, then shift in metres."""


@dataclass(frozen=True)
class View:
    """A posed reference and its matches to the query.

    Attributes:
        uid: name of the reference.
        camera: its intrinsics.
        pose: ``E`` camera_from_world (4, 4), metres.
        pixels: matched keypoints (M, 2) in its pixels.
        query_index: the query keypoint (M,) each was matched to.
        noise_px: standard deviation of its keypoints in its pixels.
        position_std_m: of its centre along east, north, up.
        rotation_std_deg: of its orientation about up, and about the two horizontal axes.
        scale_std: share by which its picture may be larger or smaller than its calibration says.
        keypoints: number of each matched keypoint (M,) among the reference's own; empty where nobody asks.
        frame: views of one panorama share a centre and a name here; empty for a camera alone.
        joint: knows the errors of this pose together with those of others; its own standard deviations count for
            nothing then.
        row: of the reference in ``joint``.
    """

    uid: str
    camera: Camera
    pose: Array
    pixels: Array
    query_index: Ints
    noise_px: float = 1.0
    position_std_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    rotation_std_deg: tuple[float, float] = (0.0, 0.0)
    scale_std: float = 0.0
    keypoints: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    frame: str = ""
    joint: JointErrors | None = None
    row: int = -1


def tangent_bases(rays: Array) -> Array:
    """Two unit vectors (N, 3, 2) that span the plane orthogonal to each unit ray (N, 3)."""
    helper = np.eye(3)[np.argmin(np.abs(rays), axis=1)]
    first = np.cross(rays, helper)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    return np.stack([first, np.cross(rays, first)], axis=2)


@dataclass(frozen=True)
class Tracks:
    """All matches of one query as flat arrays, sorted by query keypoint.

    Attributes:
        keypoint: query keypoint of each track (T,).
        track: track of each observation (O,).
        view: reference view of each observation (O,).
        centers: centre of the observing reference (O, 3), world metres.
        rays: unit direction of the observation (O, 3), world axes.
        bases: tangent plane of each ray (O, 3, 2).
        noise_rad: standard deviation of each ray (O,).
    """

    keypoint: Ints
    track: Ints
    view: Ints
    centers: Array
    rays: Array
    bases: Array
    noise_rad: Array

    @property
    def num_tracks(self) -> int:
        """Number of tracks T."""
        return len(self.keypoint)

    def views_per_track(self) -> Ints:
        """Number of references (T,) that observe each track."""
        return np.bincount(self.track, minlength=self.num_tracks)

    def select(self, keep: NDArray[np.bool_]) -> Tracks:
        """Only the observations (O,) that are kept; tracks without any are dropped."""
        if keep.all():
            return self
        used, track = np.unique(self.track[keep], return_inverse=True)
        return Tracks(
            keypoint=self.keypoint[used],
            track=track,
            view=self.view[keep],
            centers=self.centers[keep],
            rays=self.rays[keep],
            bases=self.bases[keep],
            noise_rad=self.noise_rad[keep],
        )


def build_tracks(views: Sequence[View]) -> Tracks:
    """Join the matches of several references through the query's keypoints."""
    index = np.concatenate([view.query_index for view in views] or [np.zeros(0, np.int64)]).astype(np.int64)
    number = np.concatenate([np.full(len(v.query_index), i) for i, v in enumerate(views)] or [index]).astype(int)
    rays = [v.camera.rays_from_pixels(v.pixels) @ v.pose[:3, :3] for v in views]
    flat = np.concatenate(rays) if rays else np.zeros((0, 3))
    order = np.argsort(index, kind="stable")
    order = order[np.isfinite(flat[order]).all(axis=1)]
    keypoint, track = np.unique(index[order], return_inverse=True)
    centers = np.array([camera_center(v.pose) for v in views]).reshape(-1, 3)
    noise = np.array([v.noise_px / v.camera.focal_px for v in views])
    view = number[order]
    return Tracks(keypoint, track, view, centers[view], flat[order], tangent_bases(flat[order]), noise[view])
