"""A part of the map as it is stored, told of, and written for other programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geonav.data.database import Database
from geonav.data.map_store import MapPart
from geonav.formats.colmap import Points, PosedImage, write_model
from geonav.pipeline.exporting import as_stored
from geonav.pipeline.mapping.solving import Adjusted

Array = NDArray[np.float64]


def stored_part(adjusted: Adjusted, feature_stamps: Mapping[str, str]) -> MapPart:
    """What is kept of an adjusted part."""
    count = 6 * len(adjusted.priors.positions)
    covariance = adjusted.bundle.covariance
    deviations = np.sqrt(np.maximum(np.diag(covariance)[count:], 0.0)).reshape(-1, 3)
    drives = [
        {"name": name, "offset_m": offset.tolist(), "offset_std_m": deviation.tolist()}
        for name, offset, deviation in zip(adjusted.drives, adjusted.bundle.scene.offsets, deviations, strict=True)
    ]
    return MapPart(
        uids=[view.uid for view in adjusted.views],
        stamps=[view.stamp for view in adjusted.views],
        feature_stamps=[feature_stamps[view.uid] for view in adjusted.views],
        cameras=adjusted.cameras,
        poses=adjusted.poses,
        frames=adjusted.frames,
        covariance=covariance[:count, :count].astype(np.float32),
        own_std=adjusted.own_std,
        points=adjusted.bundle.scene.points,
        view=adjusted.view,
        keypoint=adjusted.keypoint,
        point=adjusted.point,
        pixels=adjusted.pixels.astype(np.float32),
        errors_px=adjusted.errors_px.astype(np.float32),
        facts={
            "drives": drives,
            "weak_tilt_deg": round(adjusted.aligned.weak_tilt_deg, 4),
            "variance_factor": round(adjusted.bundle.variance_factor, 4),
        },
    )


def write_colmap(part: MapPart, database: Database, keypoints: Mapping[str, Array], folder: Path) -> None:
    """A part as a binary COLMAP model of the pictures as stored; its folder of images is the database."""
    images = []
    for row, uid in enumerate(part.uids):
        stored = as_stored(database, uid, "stored", part.cameras[row], part.poses[row])
        points = np.full(len(keypoints[uid]), -1, np.int64)
        own = part.view == row
        points[part.keypoint[own]] = part.point[own]
        images.append(PosedImage(stored.name, stored.camera, stored.pose, stored.stored_pixels(keypoints[uid]), points))
    errors = np.zeros(len(part.points))
    np.add.at(errors, part.point, part.errors_px)
    counts = np.bincount(part.point, minlength=len(errors))
    write_model(folder, images, Points(part.points, errors / np.maximum(counts, 1)))


def links_within(part: MapPart) -> Counter[tuple[int, int]]:
    """How many points each two references of a part share."""
    shared: Counter[tuple[int, int]] = Counter()
    starts = np.flatnonzero(np.r_[True, np.diff(part.point) > 0, True])
    for size in np.unique(np.diff(starts)):
        first = starts[:-1][np.diff(starts) == size]
        seen = np.sort(part.view[first[:, None] + np.arange(size)], axis=1)
        for i in range(int(size)):
            for j in range(i + 1, int(size)):
                pairs, counts = np.unique(seen[:, [i, j]], axis=0, return_counts=True)
                shared.update({(int(a), int(b)): int(n) for (a, b), n in zip(pairs, counts, strict=True) if a != b})
    return shared


def with_facts(part: MapPart, **facts: Any) -> MapPart:  # noqa: ANN401 - any JSON
    """The part with more to tell."""
    return replace(part, facts=part.facts | facts)
