"""A part of a map of made features, without a database: what solving takes, and what is kept of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations

import numpy as np

from geonav.data.features import LocalFeatures
from geonav.data.map_store import MapPart
from geonav.geometry.pose import camera_center
from geonav.pipeline.mapping.linking import verified
from geonav.pipeline.mapping.pieces import stored_part
from geonav.pipeline.mapping.solving import Adjusted, PartInput
from geonav.pipeline.mapping.trying import solve_part
from geonav.pipeline.mapping.views import MapView
from geonav.vision.mutual_nn import MutualNearestNeighbor
from tests.pipeline.mapping.painted import CAMERA, NOISE_PX, PaintedStreet, Reference
from tests.pipeline.mapping.said import USUAL

SIZE = CAMERA.width, CAMERA.height
_LEAST = 30


def features_of(street: PaintedStreet, references: Iterable[Reference], seed: int = 0) -> dict[str, LocalFeatures]:
    rng = np.random.default_rng([seed, 3])
    return {reference.uid: street.features(reference.true_pose, rng) for reference in references}


def pairs_of(first: LocalFeatures, second: LocalFeatures) -> np.ndarray:
    return MutualNearestNeighbor().match(first, SIZE, second, SIZE).pairs


def view_of(reference: Reference) -> MapView:
    """As its source describes it."""
    heading = reference.keys["heading_std_deg"]
    return replace(
        USUAL,
        uid=reference.uid,
        frame=reference.uid,
        camera=CAMERA,
        position_m=camera_center(reference.said_pose),
        position_std_m=np.full(3, reference.keys["position_std_m"]),
        rotation=reference.said_pose[:3, :3],
        heading_std_deg=heading,
        tilt_std_deg=(heading, heading),
        stamp=f"stamp of {reference.uid}",
    )


def part_input(views: Sequence[MapView], features: Mapping[str, LocalFeatures]) -> PartInput:
    """All pairs matched, and of each what one rigid scene explains."""
    keypoints = {view.uid: features[view.uid].keypoints.astype(float) for view in views}
    links = {}
    for first, second in combinations(views, 2):
        pairs = pairs_of(features[first.uid], features[second.uid])
        pixels = keypoints[first.uid][pairs[:, 0]], keypoints[second.uid][pairs[:, 1]]
        keep, _ = verified(first, second, pixels, (NOISE_PX, NOISE_PX), 0)
        if keep.sum() >= _LEAST:
            links[first.uid, second.uid] = pairs[keep]
    return PartInput(views, keypoints, dict.fromkeys(keypoints, NOISE_PX), links, 1.0)


def stored(adjusted: Adjusted) -> MapPart:
    return stored_part(adjusted, {view.uid: "f" for view in adjusted.views})


def solved(given: PartInput) -> MapPart:
    """The one part that holds all."""
    (piece,) = solve_part(given)
    return stored(piece)
